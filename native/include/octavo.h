/* Octavo's runtime: run a bundle (.oct) that `octavo compile` wrote. Plain C, no dependency.
 *
 * Every call that can fail returns a status, and describes the error in `error` if it is not null. Nothing is thrown or
 * printed. An open model is immutable, so threads may share it, each with a separate session. A session is not
 * thread-safe, nor is octavo_run, which uses a session inside the model.
 * Nothing is allocated while a session runs. The same inputs give the same outputs, bit for bit, on any number of
 * threads.
 */
#ifndef OCTAVO_H
#define OCTAVO_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define OCTAVO_API __attribute__((visibility("default")))
#else
#define OCTAVO_API
#endif

#define OCTAVO_MAX_RANK 6

typedef enum octavo_status {
  OCTAVO_OK = 0,
  OCTAVO_FILE = 1,     /* the file cannot be opened or read */
  OCTAVO_BUNDLE = 2,   /* the file is not a bundle, damaged, or of another version */
  OCTAVO_ARGUMENT = 3, /* an argument of the call does not fit */
  OCTAVO_MEMORY = 4    /* not enough memory */
} octavo_status;

typedef struct octavo_error {
  octavo_status code;
  char message[244]; /* one sentence in UTF-8, ending in a zero */
} octavo_error;

typedef enum octavo_dtype {
  OCTAVO_F32 = 1,
  OCTAVO_U8 = 2,
  OCTAVO_S8 = 3,
  OCTAVO_S32 = 4,
  OCTAVO_U16 = 5,
  OCTAVO_S16 = 6,
  OCTAVO_S64 = 7,
  OCTAVO_BOOL = 8 /* a byte: 0 is false */
} octavo_dtype;

typedef struct octavo_tensor {
  const char* name; /* valid as long as the model */
  octavo_dtype dtype;
  uint32_t rank;
  int64_t shape[OCTAVO_MAX_RANK];
  size_t size; /* in bytes; elements in row-major order, without gaps */
} octavo_tensor;

/* Memory of the caller, aligned for its element type; inputs and outputs must not overlap. */
typedef struct octavo_input {
  const void* data;
  size_t size; /* in bytes */
} octavo_input;

typedef struct octavo_output {
  void* data;
  size_t size; /* in bytes */
} octavo_output;

typedef struct octavo_model octavo_model;
typedef struct octavo_session octavo_session;

/* Maps the file read-only. It must not change while the model is open. */
OCTAVO_API octavo_status octavo_open(const char* path, octavo_model** model, octavo_error* error);

/* A bundle in memory, aligned to 64 bytes, which must outlive the model and not change. */
OCTAVO_API octavo_status octavo_open_memory(const void* data, size_t size, octavo_model** model, octavo_error* error);

/* Must be called after all sessions are closed. A null model is ignored. */
OCTAVO_API void octavo_close(octavo_model* model);

OCTAVO_API size_t octavo_input_count(const octavo_model* model);
OCTAVO_API size_t octavo_output_count(const octavo_model* model);
OCTAVO_API octavo_status octavo_input_info(const octavo_model* model, size_t index, octavo_tensor* info);
OCTAVO_API octavo_status octavo_output_info(const octavo_model* model, size_t index, octavo_tensor* info);

/* The possible lengths of an axis of an input or output. A bundle can leave sizes dynamic, such as the batch or the
 * length of a sequence. The shapes above are those that it was compiled at; octavo_session_resize selects others. */
typedef struct octavo_axis {
  const char* name; /* of the size that it has; "" where it follows from sizes in another way; null where it is fixed */
  int64_t least;    /* 0 where it follows from sizes in another way */
  int64_t most;
} octavo_axis;

OCTAVO_API octavo_status octavo_input_axis(const octavo_model* model, size_t index, size_t axis, octavo_axis* info);
OCTAVO_API octavo_status octavo_output_axis(const octavo_model* model, size_t index, size_t axis, octavo_axis* info);

/* Bytes that a session of one thread allocates: the arena, and scratch memory of the kernels. */
OCTAVO_API size_t octavo_session_bytes(const octavo_model* model);

/* `inputs` and `outputs` are arrays with one entry per input and output of the model, in its order. */
OCTAVO_API octavo_status octavo_run(octavo_model* model, const octavo_input* inputs, const octavo_output* outputs,
                                    octavo_error* error);

/* Options of a session. Zero-initialize, set `size`, then change fields: later versions add fields. */
typedef struct octavo_session_options {
  size_t size;      /* sizeof(octavo_session_options) */
  uint32_t threads; /* that share the work of each operator, including the caller; at most 256, 0 means 1 */
} octavo_session_options;

/* A session of one thread. */
OCTAVO_API octavo_status octavo_session_open(const octavo_model* model, octavo_session** session, octavo_error* error);
/* Starts the threads, which end with the session and sleep between runs. Null options are the defaults. In a child
 * process of fork(), an inherited session runs on one thread. */
OCTAVO_API octavo_status octavo_session_open_with(const octavo_model* model, const octavo_session_options* options,
                                                  octavo_session** session, octavo_error* error);
typedef struct octavo_shape {
  uint32_t rank;
  int64_t dims[OCTAVO_MAX_RANK];
} octavo_shape;

/* Resizes a session to inputs of these shapes, one per input of the model. For new shapes, operators are checked and
 * memory is planned and, if needed, allocated; the plans of the last sixteen shapes are cached, and reusing one
 * allocates nothing. On an error the session is unchanged. */
OCTAVO_API octavo_status octavo_session_resize(octavo_session* session, const octavo_shape* inputs,
                                               octavo_error* error);
/* The tensors at the current shapes of the session. */
OCTAVO_API octavo_status octavo_session_input_info(const octavo_session* session, size_t index, octavo_tensor* info);
OCTAVO_API octavo_status octavo_session_output_info(const octavo_session* session, size_t index, octavo_tensor* info);

/* Bytes that the session allocates, including the scratch memory of every thread. */
OCTAVO_API size_t octavo_session_memory(const octavo_session* session);
OCTAVO_API octavo_status octavo_session_run(octavo_session* session, const octavo_input* inputs,
                                            const octavo_output* outputs, octavo_error* error);

/* The cost of an operator of a session; operators are in the order in which they run. */
typedef struct octavo_operator {
  const char* name; /* valid as long as the model, like the kind */
  const char* kind;
  uint64_t runs;          /* that were timed */
  uint64_t nanoseconds;   /* of all of them */
  uint64_t bytes;         /* of a run's operands, constants and result */
  uint64_t multiply_adds; /* of a run's product or convolution; 0 for others */
} octavo_operator;

/* Starts timing each operator, from zero, or stops it; octavo_session_resize resets the times. Without timing, no clock
 * is read. */
OCTAVO_API octavo_status octavo_session_time(octavo_session* session, int on, octavo_error* error);
OCTAVO_API size_t octavo_operator_count(const octavo_session* session);
OCTAVO_API octavo_status octavo_operator_info(const octavo_session* session, size_t index, octavo_operator* info);

OCTAVO_API void octavo_session_close(octavo_session* session);

#ifdef __cplusplus
}
#endif

#endif
