// CRC-32 as zlib computes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

// Of the bytes that `crc` is the checksum of (0 of none) followed by these.
std::uint32_t crc32(std::uint32_t crc, const void* data, std::size_t size);

}  // namespace octavo
