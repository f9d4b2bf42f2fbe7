#include "runtime/loader.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <iterator>

#include "runtime/arena.h"
#include "runtime/crc32.h"
#include "runtime/op.h"

namespace octavo {
namespace {

class Reader {
 public:
  Reader(std::span<const std::byte> file, const Kernels& kernels, Model& model, std::string& error)
      : file_(file), kernels_(kernels), model_(model), error_(error) {}

  bool read() { return read_header() && read_tables() && read_rest() && read_sizes(); }

  bool read_at(std::span<const std::int64_t> sizes) {
    wrong_ = "the model does not run at these sizes: ";
    std::memcpy(&header_, file_.data(), sizeof(Header));
    return read_tables() && evaluate(sizes) && read_rest();
  }

 private:
  bool read_rest() {
    return read_tensors() && read_slots(header_.inputs, Place::kInput, model_.inputs) &&
           read_slots(header_.outputs, Place::kOutput, model_.outputs) && check_slots() && read_operators() &&
           check_overlaps() && check_kernels();
  }

  bool fail(const std::string& what) {
    error_ = wrong_ + what;
    return false;
  }

  bool read_header() {
    constexpr std::size_t kBeforeChecksum = offsetof(Header, checksum);
    if (file_.size() < sizeof(Header)) return fail("the file is shorter than a header");
    std::memcpy(&header_, file_.data(), sizeof(Header));
    if (std::memcmp(header_.magic, kMagic, sizeof(kMagic)) != 0) {
      error_ = "not a bundle; create one with octavo compile";
      return false;
    }
    if (header_.version != kVersion) {
      error_ = "the bundle has version " + std::to_string(header_.version) + " and this runtime reads version " +
               std::to_string(kVersion) + "; compile the model again";
      return false;
    }
    if (header_.file_bytes != file_.size()) return fail("file size differs from the header");
    const std::uint32_t zero = 0;
    std::uint32_t crc = crc32(0, file_.data(), kBeforeChecksum);
    crc = crc32(crc, &zero, sizeof(zero));
    crc = crc32(crc, file_.data() + kBeforeChecksum + sizeof(zero), file_.size() - kBeforeChecksum - sizeof(zero));
    return crc == header_.checksum || fail("checksum mismatch");
  }

  bool holds(const Table& table, std::uint64_t record) const {
    return table.offset % kAlignment == 0 && table.offset <= file_.size() &&
           table.count <= (file_.size() - table.offset) / record;
  }

  // The table as an array. The mapping starts at a page boundary, so a checked offset is aligned.
  template <class T>
  std::span<const T> table(const Table& where) const {
    return {reinterpret_cast<const T*>(file_.data() + where.offset), where.count};
  }

  bool read_tables() {
    const bool all = holds(header_.tensors, sizeof(TensorRecord)) && holds(header_.operators, sizeof(OperatorRecord)) &&
                     holds(header_.operands, sizeof(std::uint32_t)) &&
                     holds(header_.attributes, sizeof(std::int64_t)) && holds(header_.inputs, sizeof(std::uint32_t)) &&
                     holds(header_.outputs, sizeof(std::uint32_t)) && holds(header_.strings, 1) &&
                     holds(header_.payload, 1) && holds(header_.sizes, sizeof(SizeRecord)) &&
                     holds(header_.varying, sizeof(VaryingRecord));
    if (!all) return fail("a table is out of bounds");
    if (header_.arena_bytes > kMaxBytes) return fail("the arena is too large");
    const auto strings = table<char>(header_.strings);
    if (strings.empty() || strings.back() != '\0') return fail("the string table is not terminated");
    const auto operands = table<std::uint32_t>(header_.operands);
    for (const std::uint32_t index : operands) {
      if (index >= header_.tensors.count) return fail("an operand index is out of bounds");
    }
    model_.file = file_;
    model_.payload = header_.payload.offset;
    model_.arena_bytes = header_.arena_bytes;
    model_.varying = table<VaryingRecord>(header_.varying);
    records_ = table<TensorRecord>(header_.tensors);
    attributes_ = table<std::int64_t>(header_.attributes);
    return true;
  }

  const char* name(std::uint32_t offset) const {
    return offset < header_.strings.count ? table<char>(header_.strings).data() + offset : nullptr;
  }

  bool read_tensors() {
    model_.tensors.reserve(header_.tensors.count);
    for (const TensorRecord& record : records_) {
      Tensor tensor{};
      if (const char* fault = read_tensor(record, tensor)) {
        return fail("tensor " + std::to_string(model_.tensors.size()) + " " + fault);
      }
      model_.tensors.push_back(tensor);
    }
    return true;
  }

  // Null, or the fault.
  const char* read_tensor(const TensorRecord& record, Tensor& tensor) const {
    tensor.name = name(record.name);
    if (tensor.name == nullptr) return "has no valid name";
    if (!is_dtype(record.dtype)) return "has an unknown type";
    if (record.place < 1 || record.place > 4) return "has an unknown place";
    if (record.rank > kMaxRank) return "has too many axes";
    tensor.dtype = static_cast<Dtype>(record.dtype);
    tensor.place = static_cast<Place>(record.place);
    tensor.rank = record.rank;
    std::uint64_t bytes = size_of(tensor.dtype);
    tensor.count = 1;
    for (int i = 0; i < tensor.rank; ++i) {
      if (record.dims[i] == 0 || record.dims[i] > kMaxBytes / bytes) return "is empty or too large";
      bytes *= record.dims[i];
      tensor.dims[i] = record.dims[i];
      tensor.count *= record.dims[i];
    }
    if (record.bytes != bytes) return "has a size that does not match its shape";
    tensor.bytes = bytes;
    tensor.offset = record.offset;
    tensor.scale = record.scale;
    tensor.zero_point = record.zero_point;
    if (tensor.is_byte() && !is_grid(tensor)) return "has an invalid scale or zero point";
    return check_place(tensor);
  }

  static bool is_grid(const Tensor& tensor) {
    const std::int32_t least = tensor.dtype == Dtype::kS8 ? -128 : 0;
    return std::isnormal(tensor.scale) && tensor.scale > 0 && tensor.zero_point >= least &&
           tensor.zero_point <= least + 255;
  }

  const char* check_place(const Tensor& tensor) const {
    if (tensor.place == Place::kInput || tensor.place == Place::kOutput) {
      const Table& slots = tensor.place == Place::kInput ? header_.inputs : header_.outputs;
      return tensor.offset < slots.count ? nullptr : "has an invalid input or output index";
    }
    const std::uint64_t limit = tensor.is_constant() ? header_.payload.count : model_.arena_bytes;
    if (tensor.offset % kAlignment != 0) return "is not aligned";
    return tensor.offset <= limit && tensor.bytes <= limit - tensor.offset ? nullptr : "is out of bounds of its memory";
  }

  bool read_slots(const Table& where, Place place, std::vector<std::uint32_t>& slots) {
    const auto indices = table<std::uint32_t>(where);
    for (std::size_t i = 0; i < indices.size(); ++i) {
      if (indices[i] >= model_.tensors.size()) return fail("an input or output index is out of bounds");
      const Tensor& tensor = model_.tensors[indices[i]];
      if (tensor.place != place || tensor.offset != i)
        return fail("an input or output table entry does not match its tensor");
    }
    slots.assign(indices.begin(), indices.end());
    return true;
  }

  // Views of an input or output in another shape must cover exactly its bytes.
  bool check_slots() {
    for (const Tensor& tensor : model_.tensors) {
      if (tensor.place != Place::kInput && tensor.place != Place::kOutput) continue;
      const auto& slots = tensor.place == Place::kInput ? model_.inputs : model_.outputs;
      const Tensor& slot = model_.tensors[slots[tensor.offset]];
      if (slot.bytes != tensor.bytes || slot.dtype != tensor.dtype)
        return fail("views of an input or output differ in size or type");
    }
    return true;
  }

  bool read_operators() {
    const auto operands = table<std::uint32_t>(header_.operands);
    const auto attributes = attributes_;
    model_.ops.reserve(header_.operators.count);
    for (const OperatorRecord& record : table<OperatorRecord>(header_.operators)) {
      const std::uint64_t used = std::uint64_t{record.inputs} + record.outputs;
      if (record.first_operand > operands.size() || used > operands.size() - record.first_operand ||
          record.first_attribute > attributes.size() ||
          record.attributes > attributes.size() - record.first_attribute) {
        return fail("operands or attributes of an operator are out of bounds");
      }
      const OpKind* kind = kind_of(record.kind);
      const char* label = name(record.name);
      if (kind == nullptr || label == nullptr) return fail("an operator has an unknown kind or no valid name");
      if (record.inputs == 0 || record.outputs != 1)
        return fail("an operator must have at least one input and exactly one output");
      model_.ops.push_back({label, kind, operands.subspan(record.first_operand, record.inputs),
                            operands.subspan(record.first_operand + record.inputs, record.outputs),
                            attributes.subspan(record.first_attribute, record.attributes)});
    }
    return true;
  }

  static bool share_memory(const Tensor& a, const Tensor& b) {
    if (a.place != b.place) return false;
    if (a.place != Place::kArena) return a.offset == b.offset;
    return a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
  }

  // Kernels write only to the arena and the outputs, and never in place.
  bool check_overlaps() {
    for (const Op& op : model_.ops) {
      const Tensor& out = model_.tensors[op.outputs[0]];
      if (out.place != Place::kArena && out.place != Place::kOutput)
        return fail("an operator writes to read-only memory");
      for (const std::uint32_t input : op.inputs) {
        if (share_memory(out, model_.tensors[input])) return fail("the output of an operator overlaps an input");
      }
    }
    return true;
  }

  static bool has_unsupported_16_bit(const View& view, const schema::Signature& schema) {
    if ((schema.flags & schema::kTakes16Bit) != 0) return false;
    for (std::size_t i = 0; i < view.inputs(); ++i) {
      if (view.in(i).is_short()) return true;
    }
    return view.out().is_short();
  }

  static const char* check_operator(const View& view, const OpKind& kind) {
    if (has_unsupported_16_bit(view, kind.schema)) return "16-bit tensors are not supported";
    if (!kind.schema.accepts(view.attributes())) return "wrong number of attributes";
    return kind.check(view);
  }

  bool check_kernels() {
    for (const Op& op : model_.ops) {
      const View view(model_, op);
      if (const char* fault = check_operator(view, *op.kind)) {
        return fail("operator " + std::to_string(&op - model_.ops.data()) + " (" + std::string(op.kind->schema.name) +
                    "): " + fault);
      }
      if (op.kind->scratch == nullptr) continue;
      model_.scratch_bytes = std::max(model_.scratch_bytes, op.kind->scratch(view, kernels_));
    }
    return true;
  }

  // Each dynamic size is the length of an input axis, and every varying number equals its polynomial at the stored
  // sizes.
  bool read_sizes() {
    const auto sizes = table<SizeRecord>(header_.sizes);
    if (sizes.size() > kMaxSizes) return fail("too many dynamic sizes");
    for (const SizeRecord& size : sizes) {
      const bool bounds = size.least > 0 && size.least <= size.most && size.most <= kMaxBytes;
      if (!bounds || name(size.name) == nullptr) return fail("a dynamic size has an invalid name or bounds");
      model_.sizes.push_back({name(size.name), size.least, size.most});
    }
    for (const VaryingRecord& varying : model_.varying) {
      const bool dim = varying.what == kVaryingDim && varying.index < records_.size() &&
                       varying.axis < records_[varying.index].rank && records_[varying.index].buffer < records_.size();
      if (!dim && (varying.what != kVaryingAttribute || varying.index >= attributes_.size())) {
        return fail("a varying number has an invalid target");
      }
    }
    for (const TensorRecord& record : records_) {
      if (record.buffer >= records_.size()) return fail("a buffer index is out of bounds");
    }
    return check_varying();
  }

  bool check_varying() {
    std::int64_t sizes[kMaxSizes] = {};
    for (const std::uint32_t input : model_.inputs) {
      const Tensor& tensor = model_.tensors[input];
      for (int axis = 0; axis < tensor.rank; ++axis) {
        const std::uint32_t size = size_of_axis(model_, input, axis);
        if (size == kAbsent) continue;
        if (size >= model_.sizes.size()) return fail("an input axis varies but is not a dynamic size");
        sizes[size] = tensor.dims[axis];
      }
    }
    for (std::size_t i = 0; i < model_.sizes.size(); ++i) {
      if (sizes[i] < model_.sizes[i].least || sizes[i] > model_.sizes[i].most) {
        return fail("a dynamic size is not an input axis or is out of its bounds");
      }
    }
    for (const VaryingRecord& varying : model_.varying) {
      std::int64_t value = 0;
      const std::int64_t stored =
          varying.what == kVaryingDim ? records_[varying.index].dims[varying.axis] : attributes_[varying.index];
      if (!evaluate(varying, sizes, value) || value != stored)
        return fail("a stored number differs from its polynomial in the dynamic sizes");
    }
    return true;
  }

  // a = a * x + y; false on int64 overflow.
  static bool step(std::int64_t& a, std::int64_t x, std::int64_t y) {
    return !__builtin_mul_overflow(a, x, &a) && !__builtin_add_overflow(a, y, &a);
  }

  // Horner's rule in both sizes; false on int64 overflow.
  static bool evaluate(const VaryingRecord& varying, const std::int64_t* sizes, std::int64_t& value) {
    value = 0;
    for (int i = 2; i >= 0; --i) {
      const std::int64_t* c = varying.coefficients + 3 * i;
      std::int64_t inner = c[2];
      if (!step(inner, sizes[1], c[1]) || !step(inner, sizes[1], c[0]) || !step(value, sizes[0], inner)) return false;
    }
    return true;
  }

  // Evaluates all varying numbers at these sizes and plans the arena again.
  bool evaluate(std::span<const std::int64_t> values) {
    std::int64_t sizes[kMaxSizes] = {};
    std::copy(values.begin(), values.end(), sizes);
    own_records_.assign(records_.begin(), records_.end());
    model_.attributes.assign(attributes_.begin(), attributes_.end());
    for (const VaryingRecord& varying : model_.varying) {
      std::int64_t value = 0;
      if (!evaluate(varying, sizes, value)) return fail("int64 overflow");
      if (varying.what == kVaryingAttribute) {
        model_.attributes[varying.index] = value;
        continue;
      }
      if (value < 1 || value > static_cast<std::int64_t>(kMaxBytes)) return fail("a tensor is empty or too large");
      own_records_[varying.index].dims[varying.axis] = static_cast<std::uint32_t>(value);
    }
    for (TensorRecord& record : own_records_) {
      const std::uint64_t bytes = bytes_of(record);
      if (bytes > kMaxBytes) return fail("a tensor is too large");
      record.bytes = bytes;
    }
    model_.arena_bytes =
        plan_arena(table<OperatorRecord>(header_.operators), table<std::uint32_t>(header_.operands), own_records_);
    if (model_.arena_bytes > kMaxBytes) return fail("the arena is too large");
    records_ = own_records_;
    attributes_ = model_.attributes;
    return true;
  }

  // Size in bytes; any value above kMaxBytes on overflow.
  static std::uint64_t bytes_of(const TensorRecord& record) {
    std::uint64_t bytes = size_of(static_cast<Dtype>(record.dtype));
    for (int i = 0; i < record.rank && bytes <= kMaxBytes; ++i) bytes *= record.dims[i];
    return bytes;
  }

  std::span<const std::byte> file_;
  const Kernels& kernels_;
  Model& model_;
  std::string& error_;
  std::string wrong_ = "the bundle is damaged: ";
  Header header_{};
  std::span<const TensorRecord> records_;
  std::span<const std::int64_t> attributes_;
  std::vector<TensorRecord> own_records_;
};

}  // namespace

bool read_bundle(std::span<const std::byte> file, const Kernels& kernels, Model& model, std::string& error) {
  return Reader(file, kernels, model, error).read();
}

bool read_bundle_at(std::span<const std::int64_t> sizes, std::span<const std::byte> file, const Kernels& kernels,
                    Model& model, std::string& error) {
  return Reader(file, kernels, model, error).read_at(sizes);
}

std::uint32_t size_of_axis(const Model& model, std::uint32_t tensor, int axis) {
  for (const VaryingRecord& varying : model.varying) {
    if (varying.what != kVaryingDim || varying.index != tensor || varying.axis != static_cast<std::uint32_t>(axis))
      continue;
    const std::int64_t *c = varying.coefficients, *end = c + std::size(varying.coefficients);
    const bool plain = std::count(c, end, 0) == end - c - 1 && c[3] + c[1] == 1;
    return !plain ? kMaxSizes : c[3] == 1 ? 0 : 1;
  }
  return kAbsent;
}

}  // namespace octavo
