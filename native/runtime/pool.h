// The thread pool of a session: the calling thread and its workers, one job at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

namespace octavo {

inline constexpr std::uint32_t kMaxThreads = 256;

class WorkerPool;

class Pool {
 public:
  // The caller and `threads` - 1 workers. Throws std::system_error or std::bad_alloc.
  explicit Pool(std::uint32_t threads);
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;
  ~Pool();

  std::size_t threads() const { return threads_; }

  // The number of parts to split a job worth `parts` into, at most threads(): fewer if too few workers are awake, since
  // many parts on the calling thread alone take longer than a single one.
  std::size_t split(std::size_t parts) { return parts < 2 || threads_ < 2 ? parts : helped(parts); }

  // Calls body(part, thread) for each part below `parts` (fewer than 2^32), concurrently and in any order, and returns
  // when all are done. `thread` is below threads(); concurrent parts have different ones. The body must not throw or
  // run a job itself. One caller at a time. Allocates nothing.
  template <class Body>
  void run(std::size_t parts, const Body& body) {
    if (parts < 2 || threads_ < 2) {
      for (std::size_t part = 0; part < parts; ++part) body(part, std::size_t{0});
      return;
    }
    share(parts, &body, [](const void* context, std::size_t part, std::size_t thread) {
      (*static_cast<const Body*>(context))(part, thread);
    });
  }

  // From the first split until the end of the run, workers that are awake do not go to sleep.
  void rest() {
    if (is_busy_) end();
  }

 private:
  void share(std::size_t parts, const void* context, void (*body)(const void*, std::size_t, std::size_t));
  std::size_t helped(std::size_t parts);
  void end();

  std::size_t threads_;
  bool is_busy_ = false;
  std::unique_ptr<WorkerPool> workers_;
};

}  // namespace octavo
