// The border between Python and the native core. Nothing but this file knows Python.
#include <nanobind/nanobind.h>

namespace nb = nanobind;

NB_MODULE(_native, module) {
    module.doc() = "Native core of sequela.";
    module.def("info", [] {
        nb::dict facts;
        facts["compiler"] = __VERSION__;
        return facts;
    }, "What the native core was built with.");
}
