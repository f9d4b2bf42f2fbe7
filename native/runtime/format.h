// On-disk layout of a bundle, little-endian; docs/reference/bundle.md specifies it.
#pragma once

#include <bit>
#include <cstdint>

namespace octavo {

static_assert(std::endian::native == std::endian::little, "bundles are little-endian and read in place");

inline constexpr char kMagic[4] = {'O', 'C', 'T', 'V'};
inline constexpr std::uint32_t kVersion = 2;
inline constexpr std::uint64_t kAlignment = 64;
constexpr std::uint64_t aligned(std::uint64_t bytes) { return (bytes + kAlignment - 1) / kAlignment * kAlignment; }
inline constexpr std::uint32_t kAbsent = 0xffffffff;
inline constexpr int kMaxRank = 6;
// Limit for a tensor and for the arena, so that products and sums of sizes do not overflow 64 bits.
inline constexpr std::uint64_t kMaxBytes = (std::uint64_t{1} << 31) - 1;

struct Table {
  std::uint64_t offset;
  std::uint64_t count;
};

struct Header {
  char magic[4];
  std::uint32_t version;
  std::uint64_t file_bytes;
  std::uint32_t checksum;  // CRC-32 of the file with these four bytes zero
  std::uint32_t reserved;
  std::uint64_t arena_bytes;
  Table tensors;
  Table operators;
  Table operands;    // indices of tensors
  Table attributes;  // 64-bit integers
  Table inputs;      // indices of tensors
  Table outputs;     // indices of tensors
  Table strings;     // bytes; the last one is zero
  Table payload;     // bytes
  Table sizes;       // dynamic sizes
  Table varying;     // numbers of the tables above that depend on them
};
static_assert(sizeof(Header) == 192);

struct TensorRecord {
  std::uint32_t name;  // offset in strings
  std::uint8_t dtype;
  std::uint8_t rank;
  std::uint8_t place;
  std::uint8_t reserved;
  std::uint32_t dims[kMaxRank];
  std::uint64_t offset;  // in the arena or payload; or the index of the input or output
  std::uint64_t bytes;
  float scale;
  std::int32_t zero_point;
  std::uint32_t buffer;  // tensors in the arena with equal numbers share memory
  std::uint32_t padding;
};
static_assert(sizeof(TensorRecord) == 64);

struct OperatorRecord {
  std::uint32_t name;  // offset in strings
  std::uint16_t kind;
  std::uint16_t inputs;
  std::uint16_t outputs;
  std::uint16_t attributes;
  std::uint32_t first_operand;  // inputs, then outputs
  std::uint32_t first_attribute;
  std::uint32_t padding[3];
};
static_assert(sizeof(OperatorRecord) == 32);

inline constexpr std::size_t kMaxSizes = 2;

// A dynamic size: the length of some input axes, and its bounds.
struct SizeRecord {
  std::uint32_t name;  // offset in strings
  std::uint32_t least;
  std::uint32_t most;
  std::uint32_t padding;
};
static_assert(sizeof(SizeRecord) == 16);

enum : std::uint32_t { kVaryingDim = 1, kVaryingAttribute = 2 };

// A number that depends on the dynamic sizes s and t: the sum of coefficients[3 i + j] s^i t^j for i, j in 0..2.
struct VaryingRecord {
  std::uint32_t what;
  std::uint32_t index;  // of the tensor or the attribute
  std::uint32_t axis;   // of the tensor
  std::uint32_t padding;
  std::int64_t coefficients[9];
};
static_assert(sizeof(VaryingRecord) == 88);

}  // namespace octavo
