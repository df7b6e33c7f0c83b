"""Reader studies: blinded cases in random order, marks and ratings, and how well readers agree.

A study is a folder that readers get (``study``: codes, orders, checksums; the cases; the answers) and a key that they
do not get (``blinding``: what each code is). Answers are appended to a CSV file for each reader as they are given.
"""
