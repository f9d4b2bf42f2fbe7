// A validated bundle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "runtime/format.h"

namespace octavo {

// A boolean is a byte; any value but 0 is true.
enum class Dtype : std::uint8_t { kF32 = 1, kU8 = 2, kS8 = 3, kS32 = 4, kU16 = 5, kS16 = 6, kS64 = 7, kBool = 8 };
enum class Place : std::uint8_t { kArena = 1, kConstant = 2, kInput = 3, kOutput = 4 };

constexpr bool is_dtype(unsigned number) { return number >= 1 && number <= 8; }

// Size and alignment of an element in bytes.
constexpr std::size_t size_of(Dtype dtype) {
  switch (dtype) {
    case Dtype::kU8:
    case Dtype::kS8:
    case Dtype::kBool:
      return 1;
    case Dtype::kU16:
    case Dtype::kS16:
      return 2;
    case Dtype::kS64:
      return 8;
    default:
      return 4;
  }
}

struct Tensor {
  const char* name;
  Dtype dtype;
  Place place;
  int rank;
  std::int64_t dims[kMaxRank];
  std::int64_t count;
  std::size_t bytes;
  std::uint64_t offset;
  float scale;
  std::int32_t zero_point;

  bool is_float() const { return dtype == Dtype::kF32; }
  bool is_byte() const { return dtype == Dtype::kU8 || dtype == Dtype::kS8; }
  bool is_short() const { return dtype == Dtype::kU16 || dtype == Dtype::kS16; }
  bool is_constant() const { return place == Place::kConstant; }
};

struct OpKind;

struct Op {
  const char* name;
  const OpKind* kind;
  std::span<const std::uint32_t> inputs;
  std::span<const std::uint32_t> outputs;
  std::span<const std::int64_t> attributes;
};

// A dynamic size, fixed when a session is fitted to its inputs.
struct Size {
  const char* name;
  std::int64_t least, most;
};

// A bundle at given dynamic sizes.
struct Model {
  std::span<const std::byte> file;
  std::uint64_t payload = 0;
  std::size_t arena_bytes = 0;
  std::size_t scratch_bytes = 0;
  std::vector<Tensor> tensors;
  std::vector<Op> ops;
  std::vector<std::int64_t> attributes;  // evaluated at the sizes; empty where those of the file are used
  std::vector<std::uint32_t> inputs;
  std::vector<std::uint32_t> outputs;
  std::vector<Size> sizes;
  std::span<const VaryingRecord> varying;
};

}  // namespace octavo
