// What the files of the module share.
#pragma once

#include <nanobind/nanobind.h>

#include "../engine.h"

namespace nb = nanobind;

namespace sequela {

extern const Table* chosen;  // the instruction set, from import on

void add_preparation(nb::module_& module);

}  // namespace sequela
