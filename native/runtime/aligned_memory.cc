#include "runtime/aligned_memory.h"

#include <sys/mman.h>

#include "runtime/format.h"

namespace octavo {
namespace {

constexpr std::size_t kHugePage = 1 << 21;

constexpr std::size_t rounded_up(std::size_t size, std::size_t to) { return (size + to - 1) / to * to; }

}  // namespace

Memory allocate(std::size_t size) {
  const std::size_t huge = (size + kHugePage / 2) / kHugePage * kHugePage;
  const std::size_t alignment = huge > 0 ? kHugePage : kAlignment;
  Memory memory(static_cast<std::byte*>(std::aligned_alloc(alignment, rounded_up(size, alignment))));
#ifdef MADV_HUGEPAGE
  // The result is usable even if the kernel ignores the advice.
  if (memory != nullptr && huge > 0) madvise(memory.get(), huge, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace octavo
