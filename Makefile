# Two commands to begin with: `make demo` and `make test`. Both create the virtual environment themselves.
PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
SETTING ?= demo
YOURS := $(if $(PHOTO),--photo="$(PHOTO)") $(if $(SONG),--song="$(SONG)") $(if $(POSE),--pose="$(POSE)")
EXTRAS ?= pose,dev
COMMA := ,
RUN := $(VENV)/bin/python
INSTALLED := $(VENV)/.installed-$(subst $(COMMA),-,$(EXTRAS))

export JAX_PLATFORMS ?= cpu
export TF_CPP_MIN_LOG_LEVEL ?= 2

.PHONY: help demo train-demo app .app test lint unit slow parity .parity multidevice pods install clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: OUT ?= out/demo
demo: $(INSTALLED)  ## a drawn dancer dances, and yours: PHOTO=... SONG=... [POSE=...] (out/demo; SETTING=smoke is the shortest)
	$(RUN) -m launch.demo --setting $(SETTING) --out $(OUT) $(YOURS)

train-demo: OUT ?= out/train_demo
train-demo: $(INSTALLED)  ## train every stage at tiny size on toy dances and make a video (out/train_demo; SETTING=smoke)
	$(RUN) -m launch.train_demo --setting $(SETTING) --out $(OUT)

app:  ## the same in a browser: a photo and a song become a dance (installs Gradio)
	$(MAKE) EXTRAS=pose,app .app

.app: $(INSTALLED)
	$(RUN) -m launch.app

test: lint unit multidevice  ## lint and all tests but those that need what is not installed (EXTRAS=pose,dev,parity)

lint: $(INSTALLED)  ## ruff
	$(RUN) -m ruff check .

unit: $(INSTALLED)  ## every test that runs on one device, in two processes
	$(RUN) -m pytest -n 2 -m "not slow" tests --ignore tests/multidevice --ignore tests/accelerator

slow: $(INSTALLED)  ## what takes minutes: several processes, benchmarks, every table of every stage
	$(RUN) -m pytest -m slow tests --ignore tests/multidevice --ignore tests/accelerator
	$(RUN) -m pytest -m slow tests/multidevice

parity:  ## beside torch, diffusers and transformers on the same weights, in an environment that has them
	$(MAKE) EXTRAS=pose,dev,parity .parity

.parity: $(INSTALLED)
	$(RUN) -m pytest -n 2 -m "not slow" tests/parity

multidevice: $(INSTALLED)  ## tests that need eight devices (fake ones on this CPU), in two processes
	$(RUN) -m pytest -n 2 --dist loadgroup -m "not slow" tests/multidevice

pods: $(INSTALLED)  ## docs/pods.md: plans on TPU slices that are not here (installs libtpu; hours of two cores if anew)
	$(RUN) -m pip install --quiet libtpu
	$(RUN) -m benchmarks.pods

install: $(INSTALLED)  ## the virtual environment alone

$(INSTALLED): setup.py
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade pip
	$(RUN) -m pip install --quiet --editable '.[$(EXTRAS)]'
	touch $@

clean:  ## remove the virtual environments and out/
	rm -rf .venv .venv-* out
