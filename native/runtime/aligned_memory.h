// Memory that is written in every run.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace octavo {

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};
using Memory = std::unique_ptr<std::byte, Free>;

// Aligned as `kAlignment` says; null where there is none. What fills at least half a huge page is put in one where the
// system gives them on advice: small pages lie anywhere, so that by chance many compete for the same sets of a cache.
Memory allocate(std::size_t size);

}  // namespace octavo
