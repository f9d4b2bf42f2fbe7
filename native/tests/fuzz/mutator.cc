// Mutations that keep most of a bundle valid: a number in one of its tables, the numbers that depend on it, and the
// checksum, without which every mutated bundle would be refused.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "runtime/crc32.h"
#include "runtime/format.h"
#include "runtime/model.h"
#include "tests/check.h"

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t largest);

namespace octavo::tests {
namespace {

using Bytes = std::span<std::uint8_t>;

template <class T>
T load(Bytes bytes, std::size_t at) {
  T value;
  std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

template <class T>
void store(Bytes bytes, std::size_t at, const T& value) {
  std::memcpy(bytes.data() + at, &value, sizeof(T));
}

// The value plus or minus one, a power of two plus or minus one, a bound of a type, a small number, or a random one.
std::uint64_t changed(Random& random, std::uint64_t value) {
  switch (random.between(0, 5)) {
    case 0:
      return value + 1;
    case 1:
      return value - 1;
    case 2:
      return (std::uint64_t{1} << random.between(0, 63)) + static_cast<std::uint64_t>(random.between(-1, 1));
    case 3:
      return random.pick<std::uint64_t>({0, 1, 0x7fffffff, 0xffffffff, 0x7fffffffffffffff, 0xffffffffffffffff});
    case 4:
      return static_cast<std::uint64_t>(random.between(-20, 20));
    default:
      return random.next();
  }
}

template <class T>
void change(Bytes bytes, std::size_t at, Random& random) {
  store(bytes, at, static_cast<T>(changed(random, static_cast<std::uint64_t>(load<T>(bytes, at)))));
}

// The offset of a random record of the table; the end of the file if no record of it lies in the file.
std::size_t record(Bytes bytes, const Table& table, std::size_t record_size, Random& random) {
  if (table.count == 0 || table.offset > bytes.size()) return bytes.size();
  const std::uint64_t there = std::min<std::uint64_t>(table.count, (bytes.size() - table.offset) / record_size);
  return there == 0 ? bytes.size() : table.offset + random.next() % there * record_size;
}

std::uint64_t size_of(const TensorRecord& tensor) {
  std::uint64_t bytes = octavo::size_of(static_cast<Dtype>(tensor.dtype));
  for (int i = 0; i < std::min<int>(tensor.rank, kMaxRank); ++i) bytes *= tensor.dims[i];
  return bytes;
}

// Usually updates the size with the shape; otherwise the tensor would be refused.
void change_tensor(Bytes bytes, std::size_t at, Random& random) {
  TensorRecord tensor = load<TensorRecord>(bytes, at);
  switch (random.between(0, 8)) {
    case 0:
      tensor.dtype = static_cast<std::uint8_t>(random.between(0, 9));
      break;
    case 1:
      tensor.rank = static_cast<std::uint8_t>(random.between(0, 7));
      break;
    case 2:
      tensor.place = static_cast<std::uint8_t>(random.between(0, 5));
      break;
    case 3:
      tensor.offset = changed(random, tensor.offset) * random.pick({1u, 64u});
      break;
    case 4:
      tensor.scale = random.pick({0.0f, -1.0f, 1e-38f, 3e38f, 0.1f});
      break;
    case 5:
      tensor.buffer = static_cast<std::uint32_t>(random.between(0, 20));
      break;
    case 6:
      tensor.zero_point = static_cast<std::int32_t>(changed(random, static_cast<std::uint32_t>(tensor.zero_point)));
      break;
    default: {
      std::uint32_t& dim = tensor.dims[random.between(0, kMaxRank - 1)];
      dim = static_cast<std::uint32_t>(changed(random, dim));
    }
  }
  if (random.between(0, 9) != 0) tensor.bytes = size_of(tensor);
  store(bytes, at, tensor);
}

void change_operator(Bytes bytes, std::size_t at, Random& random) {
  OperatorRecord op = load<OperatorRecord>(bytes, at);
  switch (random.between(0, 4)) {
    case 0:
      op.kind = static_cast<std::uint16_t>(random.between(0, 64));
      break;
    case 1:
      op.inputs = static_cast<std::uint16_t>(changed(random, op.inputs));
      break;
    case 2:
      op.attributes = static_cast<std::uint16_t>(changed(random, op.attributes));
      break;
    case 3:
      op.first_operand = static_cast<std::uint32_t>(changed(random, op.first_operand));
      break;
    default:
      op.first_attribute = static_cast<std::uint32_t>(changed(random, op.first_attribute));
  }
  store(bytes, at, op);
}

// Places the tensors of the arena one after another and sets the arena's size; tensors with the same offset keep a
// common offset.
void lay_out(Bytes bytes, const Table& table, std::size_t count) {
  std::uint64_t end = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = table.offset + i * sizeof(TensorRecord);
    TensorRecord tensor = load<TensorRecord>(bytes, at);
    if (tensor.place != 1 || tensor.reserved != 0) continue;
    const std::uint64_t before = tensor.offset;
    std::uint64_t largest = 0;
    for (std::size_t j = i; j < count; ++j) {
      const std::size_t there = table.offset + j * sizeof(TensorRecord);
      tensor = load<TensorRecord>(bytes, there);
      if (tensor.place != 1 || tensor.reserved != 0 || tensor.offset != before) continue;
      largest = std::max(largest, tensor.bytes);
      tensor.offset = end;
      tensor.reserved = 1;  // marks it as placed
      store(bytes, there, tensor);
    }
    end += (largest + kAlignment - 1) / kAlignment * kAlignment;
  }
  for (std::size_t i = 0; i < count; ++i) {
    store(bytes, table.offset + i * sizeof(TensorRecord) + offsetof(TensorRecord, reserved), std::uint8_t{0});
  }
  store(bytes, offsetof(Header, arena_bytes), end);
}

// Replaces one axis length by another in all tensors, so that most shapes still match.
void resize_axes(Bytes bytes, const Table& table, Random& random) {
  const std::size_t chosen = record(bytes, table, sizeof(TensorRecord), random);
  if (chosen >= bytes.size()) return;
  const std::uint32_t old = load<TensorRecord>(bytes, chosen).dims[random.between(0, 3)];
  const auto length = static_cast<std::uint32_t>(random.between(1, 40));
  const std::size_t count = std::min<std::uint64_t>(table.count, (bytes.size() - table.offset) / sizeof(TensorRecord));
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t at = table.offset + i * sizeof(TensorRecord);
    TensorRecord tensor = load<TensorRecord>(bytes, at);
    if (tensor.place == 2) continue;  // constants keep their data
    for (int axis = 0; axis < std::min<int>(tensor.rank, kMaxRank); ++axis) {
      if (tensor.dims[axis] == old) tensor.dims[axis] = length;
    }
    tensor.bytes = size_of(tensor);
    store(bytes, at, tensor);
  }
  lay_out(bytes, table, count);
}

// Copies a random record of a table over another one.
void copy_record(Bytes bytes, const Table& table, std::size_t record_size, Random& random) {
  const std::size_t from = record(bytes, table, record_size, random), to = record(bytes, table, record_size, random);
  if (from < bytes.size() && to < bytes.size()) std::memmove(bytes.data() + to, bytes.data() + from, record_size);
}

void change_table(Bytes bytes, const Header& header, Random& random) {
  std::size_t at;
  switch (random.between(0, 14)) {
    case 0:
    case 1:
    case 2:
      if ((at = record(bytes, header.tensors, sizeof(TensorRecord), random)) < bytes.size())
        change_tensor(bytes, at, random);
      return;
    case 3:
    case 4:
      if ((at = record(bytes, header.operators, sizeof(OperatorRecord), random)) < bytes.size())
        change_operator(bytes, at, random);
      return;
    case 5:
      if ((at = record(bytes, header.operands, sizeof(std::uint32_t), random)) < bytes.size())
        store(bytes, at, static_cast<std::uint32_t>(random.next() % (header.tensors.count | 1)));
      return;
    case 6:
    case 7:
    case 8:
      if ((at = record(bytes, header.attributes, sizeof(std::int64_t), random)) < bytes.size())
        change<std::uint64_t>(bytes, at, random);
      return;
    case 9:
      copy_record(bytes, header.operators, sizeof(OperatorRecord), random);
      return copy_record(bytes, header.tensors, sizeof(TensorRecord), random);
    case 10:
      return resize_axes(bytes, header.tensors, random);
    case 11:
      // A header field after the file size: the arena's size, or a table's offset or count.
      return change<std::uint64_t>(bytes, 24 + static_cast<std::size_t>(random.between(0, 20)) * 8, random);
    case 12:
      if ((at = record(bytes, header.sizes, sizeof(SizeRecord), random)) < bytes.size())
        change<std::uint32_t>(bytes, at + static_cast<std::size_t>(random.between(0, 2)) * 4, random);
      return;
    case 13:
      if ((at = record(bytes, header.varying, sizeof(VaryingRecord), random)) < bytes.size())
        change<std::uint32_t>(bytes, at + static_cast<std::size_t>(random.between(0, 11)) * 4, random);
      return;
    default:
      if ((at = record(bytes, header.payload, sizeof(std::uint32_t), random)) < bytes.size())
        change<std::uint32_t>(bytes, at, random);
  }
}

void fix_checksum(Bytes bytes) {
  constexpr std::size_t kSize = offsetof(Header, file_bytes), kChecksum = offsetof(Header, checksum);
  store(bytes, kSize, std::uint64_t{bytes.size()});
  store(bytes, kChecksum, std::uint32_t{0});
  store(bytes, kChecksum, crc32(0, bytes.data(), bytes.size()));
}

}  // namespace
}  // namespace octavo::tests

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t largest,
                                               unsigned int seed) {
  using namespace octavo::tests;
  Random random(seed);
  if (size < sizeof(octavo::Header) || random.between(0, 49) == 0) return LLVMFuzzerMutate(data, size, largest);
  const Bytes bytes(data, size);
  for (int i = random.between(1, 4); i > 0; --i) {
    change_table(bytes, load<octavo::Header>(bytes, 0), random);
  }
  fix_checksum(bytes);
  return size;
}
