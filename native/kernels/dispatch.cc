#include "kernels/dispatch.h"

#include <cstdlib>

#include "kernels/cpu.h"

// OCTAVO_ISAS lists them as X(scalar) X(avx2) ...; CMakeLists.txt writes it.
namespace octavo {

#define X(isa) extern const Kernels isa##_kernels;
OCTAVO_ISAS
#undef X

namespace {

#define X(isa) &isa##_kernels,
const Kernels* const kCompiled[] = {OCTAVO_ISAS};
#undef X

std::string comma_separated(std::span<const Kernels* const> sets) {
  std::string names;
  for (const Kernels* set : sets) names += (names.empty() ? "" : ", ") + std::string(set->name);
  return names;
}

}  // namespace

std::span<const Kernels* const> compiled() { return kCompiled; }

std::vector<const Kernels*> runnable() {
  std::vector<const Kernels*> supported;
  for (const Kernels* set : kCompiled) {
    if (has_features(set->features)) supported.push_back(set);
  }
  return supported;
}

const Kernels* find(std::string_view name, std::string& error) {
  for (const Kernels* set : kCompiled) {
    if (set->name != name) continue;
    if (has_features(set->features)) return set;
    error = "this processor has no " + std::string(name) + "; use one of " + comma_separated(runnable());
    return nullptr;
  }
  error = "there is no instruction set '" + std::string(name) + "'; use one of " + comma_separated(runnable());
  return nullptr;
}

const Kernels* chosen(std::string& error) {
  const char* forced = std::getenv("OCTAVO_ISA");
  if (forced == nullptr || *forced == '\0') return runnable().back();
  const Kernels* kernels = find(forced, error);
  if (kernels == nullptr) error = "OCTAVO_ISA: " + error;
  return kernels;
}

}  // namespace octavo
