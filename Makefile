# Everything sets itself up in .venv; PYTHON is any Python 3.10 to 3.12.
PYTHON ?= $(firstword $(foreach name,python3.11 python3.12 python3.10 python3,$(if $(shell $(name) -c "" 2>/dev/null && echo yes),$(name))))
VENV := .venv
DEMO := demo
BIN := $(VENV)/bin
DEMO_XRAY := from pydicom.data import get_testdata_file; print(get_testdata_file("RG1_UNCR.dcm", download=False))

.PHONY: help demo test lint format bench clean

help:
	@echo "make demo    a CT volume, DICOM, scene, pictures and report from a real chest radiograph, in demo/"
	@echo "make test    the tests          make lint     ruff and mypy"
	@echo "make bench   the benchmarks     make format   ruff's formatter"

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt "torch==2.13.0"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[demo,slicer,training,test]"
	@touch $@

demo: $(VENV)/installed
	$(BIN)/xray-to-ct generate "$$($(BIN)/python -c '$(DEMO_XRAY)')" -o $(DEMO) --formats nrrd,dicom,mrb,png,pdf

# A process a core, each with one thread: threads of several processes would wait for each other.
test: $(VENV)/installed
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile

lint: $(VENV)/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/installed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/installed
	$(BIN)/python Testing/Benchmarks/bench_projection.py
	$(BIN)/python Testing/Benchmarks/bench_generator.py
	$(BIN)/python Testing/Benchmarks/bench_training_step.py
	$(BIN)/python Testing/Benchmarks/bench_simulation.py
	$(BIN)/python Testing/Benchmarks/bench_module_load.py

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache *.egg-info
