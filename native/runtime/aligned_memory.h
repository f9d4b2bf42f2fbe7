// Aligned memory for the arena and scratch of a session.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>

namespace octavo {

struct Free {
  void operator()(std::byte* p) const { std::free(p); }
};
using Memory = std::unique_ptr<std::byte, Free>;

// Aligned to kAlignment; null if out of memory. Allocations of at least half a huge page ask for huge pages (madvise):
// small pages are scattered, so that many may compete for the same cache sets.
Memory allocate(std::size_t size);

}  // namespace octavo
