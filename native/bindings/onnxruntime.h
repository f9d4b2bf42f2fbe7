// The part of ONNX Runtime's C API that a custom operator needs. ONNX Runtime's wheels have no headers; its ABI
// guarantees that the entries of these two tables keep their positions (onnxruntime_c_api.h: only appended to).
#pragma once

#include <cstddef>
#include <cstdint>

namespace octavo::ort {

struct Status;
struct Options;
struct Domain;
struct Value;
struct Shape;
struct Info;
struct Context;
struct Operator;

inline constexpr std::uint32_t kVersion = 16;
inline constexpr int kFloat = 1;  // element types, numbered as in ONNX
inline constexpr int kInt64 = 7;
inline constexpr int kRequired = 0;
inline constexpr int kInvalidArgument = 2;

// OrtApi, up to the last function called here.
struct Api {
  Status* (*create_status)(int code, const char* message);
  void* unused_1[25];
  Status* (*create_domain)(const char* name, Domain** domain);
  Status* (*add_operator)(Domain* domain, const Operator* op);
  Status* (*add_domain)(Options* options, Domain* domain);
  void* unused_29[22];
  Status* (*data)(Value* value, void** data);
  void* unused_52[9];
  Status* (*rank)(const Shape* shape, std::size_t* rank);
  Status* (*dimensions)(const Shape* shape, std::int64_t* dimensions, std::size_t rank);
  void* unused_63;
  Status* (*count)(const Shape* shape, std::size_t* count);
  Status* (*shape)(const Value* value, Shape** shape);
  void* unused_66[20];
  Status* (*int_attribute)(const Info* info, const char* name, std::int64_t* value);
  void* unused_87[3];
  Status* (*input)(const Context* context, std::size_t index, const Value** value);
  Status* (*output)(Context* context, std::size_t index, const std::int64_t* shape, std::size_t rank, Value** value);
  void* unused_92[7];
  void (*release_shape)(Shape* shape);
};

constexpr std::size_t slot(std::size_t offset) { return offset / sizeof(void*); }

static_assert(slot(offsetof(Api, create_domain)) == 26);
static_assert(slot(offsetof(Api, data)) == 51);
static_assert(slot(offsetof(Api, rank)) == 61);
static_assert(slot(offsetof(Api, count)) == 64);
static_assert(slot(offsetof(Api, int_attribute)) == 86);
static_assert(slot(offsetof(Api, input)) == 90);
static_assert(slot(offsetof(Api, release_shape)) == 99);

struct ApiBase {
  const Api* (*api)(std::uint32_t version);
  const char* (*version)();
};

// OrtCustomOp of version 16: a runtime that reads the version does not call the entries that are null.
struct Operator {
  std::uint32_t version;
  void* create_16;
  const char* (*name)(const Operator*);
  const char* (*provider)(const Operator*);
  int (*input_type)(const Operator*, std::size_t index);
  std::size_t (*input_count)(const Operator*);
  int (*output_type)(const Operator*, std::size_t index);
  std::size_t (*output_count)(const Operator*);
  void* compute_16;
  void (*destroy)(void* kernel);
  int (*input_kind)(const Operator*, std::size_t index);
  int (*output_kind)(const Operator*, std::size_t index);
  int (*input_memory)(const Operator*, std::size_t index);
  void* unused[4];
  Status* (*create)(const Operator*, const Api* api, const Info* info, void** kernel);
  Status* (*compute)(void* kernel, Context* context);
  void* infer_shapes;
  int (*since)(const Operator*);
  int (*until)(const Operator*);
};

}  // namespace octavo::ort
