# The core's own tests, without Python: as it is, under the sanitizers, and on emulated processors.
#
#     make -f native/sanitize.mk core-test     as it is, every instruction set that this processor runs
#     make -f native/sanitize.mk sanitize      AddressSanitizer + UndefinedBehaviorSanitizer, then ThreadSanitizer
#     make -f native/sanitize.mk emulate       as a Haswell (AVX2) and a Nehalem (neither) would, by Debian's qemu-user
#
# Objects go to OUT. The flags of an instruction set are those of CMakeLists.txt.

NATIVE := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
OUT ?= build/native-tests
SANITIZE_CXX ?= g++
QEMU ?= qemu-x86_64
CORE_FLAGS := -std=c++17 -O2 -g -fno-omit-frame-pointer -ffp-contract=off -pthread -Wall -Wextra -DSEQUELA_X86

# GCC 12 sees uninitialized values in its own <immintrin.h>.
set_avx512_FLAGS := -mavx2 -mfma -mavx512f -Wno-maybe-uninitialized -Wno-uninitialized -fno-exceptions
set_avx2_FLAGS := -mavx2 -mfma -fno-exceptions
set_portable_FLAGS := -fno-exceptions

plain_FLAGS :=
asan_FLAGS := -fsanitize=address,undefined -fno-sanitize-recover=all
tsan_FLAGS := -fsanitize=thread

CORE_NAMES := $(basename $(notdir $(wildcard $(NATIVE)/*.cpp))) core_test
CORE_HEADERS := $(wildcard $(NATIVE)/*.h $(NATIVE)/*.hpp $(NATIVE)/cells/*.hpp $(NATIVE)/tests/*.hpp)
vpath %.cpp $(NATIVE) $(NATIVE)/tests

.PHONY: core-test functions-test sanitize sanitize-asan sanitize-tsan emulate emulate-haswell emulate-nehalem

# $(1): plain, asan or tsan.
define core_build
$(OUT)/$(1)/%.o: %.cpp $(CORE_HEADERS)
	@mkdir -p $$(@D)
	$(SANITIZE_CXX) $(CORE_FLAGS) $($(1)_FLAGS) $$($$*_FLAGS) -c $$< -o $$@
$(OUT)/$(1)/core_test: $(CORE_NAMES:%=$(OUT)/$(1)/%.o)
	$(SANITIZE_CXX) $($(1)_FLAGS) -pthread $$^ -o $$@
endef
$(foreach kind,plain asan tsan,$(eval $(call core_build,$(kind))))

# The functions of one set stand in an anonymous namespace: the test is compiled once for each.
$(OUT)/functions_%: functions_test.cpp $(CORE_HEADERS)
	@mkdir -p $(@D)
	$(SANITIZE_CXX) $(CORE_FLAGS) -Wno-unused-function $(set_$*_FLAGS) -DSEQUELA_SET=$(set_$*_NUMBER) $< -o $@
set_avx512_NUMBER := 512
set_avx2_NUMBER := 2
set_portable_NUMBER := 0
FUNCTIONS := $(OUT)/functions_avx512 $(OUT)/functions_avx2 $(OUT)/functions_portable

core-test: $(OUT)/plain/core_test functions-test
	$<

functions-test: $(FUNCTIONS)
	set -e; for program in $^; do $$program; done

sanitize: sanitize-asan sanitize-tsan

sanitize-asan: $(OUT)/asan/core_test
	ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 $<

sanitize-tsan: $(OUT)/tsan/core_test
	TSAN_OPTIONS=halt_on_error=1 $<

emulate: emulate-haswell emulate-nehalem

emulate-haswell: $(OUT)/plain/core_test $(FUNCTIONS)
	set -e; for program in $^; do CORE_TEST_WITHOUT_FORK=1 $(QEMU) -cpu Haswell $$program; done

emulate-nehalem: $(OUT)/plain/core_test $(FUNCTIONS)
	set -e; for program in $^; do CORE_TEST_WITHOUT_FORK=1 $(QEMU) -cpu Nehalem $$program; done
