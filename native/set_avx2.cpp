// The core for one instruction set; see CMakeLists.txt for its flags.
#define SEQUELA_SET 2
#include "scan.hpp"

SEQUELA_TABLE(avx2)
