// Every operator of the schema; each is defined in a file of this folder.
#pragma once

#include "runtime/op.h"

namespace octavo {

#define OCTAVO_OPERATOR(number, name, ...) extern const OpKind k##name;
#include "runtime/operators.def"
#undef OCTAVO_OPERATOR

}  // namespace octavo
