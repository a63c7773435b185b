# For DuckDB's community repository, which puts extension-ci-tools here and runs make: docs/releasing.md.
EXTENSION_NAME := hinge_embedding_loss
TARGET_DUCKDB_VERSION := v1.2.0
USE_UNSTABLE_C_API := 0
PROJ_DIR := $(dir $(abspath $(lastword $(MAKEFILE_LIST))))

include extension-ci-tools/makefiles/c_api_extensions/base.Makefile
include extension-ci-tools/makefiles/c_api_extensions/c_cpp.Makefile

configure: venv platform extension_version
debug: build_extension_library_debug build_extension_with_metadata_debug
release: build_extension_library_release build_extension_with_metadata_release
test_debug: test_extension_debug
test_release: test_extension_release
