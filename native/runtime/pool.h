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

  // Into how many parts to cut a job that is worth `parts`, at most threads(): fewer where too few threads would help
  // at present, for parts that all fall to the caller take longer than the whole.
  std::size_t cut(std::size_t parts) { return parts < 2 || threads_ < 2 ? parts : helped(parts); }

  // Calls body(part, thread) for each part below `parts`, of which there are fewer than 2^32, and returns when all are
  // done: in any order, several at a time, `thread` being below threads() and not shared by parts that run at a time.
  // The body throws nothing and runs no job of its own. One caller at a time. Allocates nothing.
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

  // From the first cut until it is said that there are no more jobs for now, workers that are awake stay so.
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
