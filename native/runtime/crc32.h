// CRC-32 as zlib computes it.
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo {

// Updates `crc`, the checksum of the bytes so far (0 for none), with these bytes.
std::uint32_t crc32(std::uint32_t crc, const void* data, std::size_t size);

}  // namespace octavo
