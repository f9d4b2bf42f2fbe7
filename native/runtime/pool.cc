#include "runtime/pool.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

namespace octavo {
namespace {

using Clock = std::chrono::steady_clock;
using Body = void (*)(const void* context, std::size_t part, std::size_t thread);

constexpr std::uint64_t kJob = std::uint64_t{1} << 32;
constexpr std::uint32_t parts_left(std::uint64_t open) { return static_cast<std::uint32_t>(open); }

// Waking a thread costs the waker up to 25 us on a virtual machine; handing a job to a spinning worker takes less than
// 1 us. Waiting threads therefore spin for a while, yielding after a moment, and are only woken if the caller is busy
// long enough. If no worker helped, the caller works alone for some time before it tries again.
constexpr auto kWaitTime = std::chrono::microseconds(100), kSpinTime = std::chrono::microseconds(50);
constexpr auto kBusyTime = std::chrono::microseconds(500);
constexpr auto kRetryInterval = std::chrono::milliseconds(1);

// Data that different threads write is on different cache lines; processors prefetch pairs of lines.
constexpr std::size_t kLines = 128;

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

// Polls the condition at least once and for up to `longest`; returns whether it became true.
template <class Condition>
bool spin(const Condition& condition, Clock::duration longest) {
  constexpr int kBetweenClocks = 16;
  const auto begin = Clock::now();
  do {
    for (int i = 0; i < kBetweenClocks; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (Clock::now() - begin < longest);
  return condition();
}

// Blocks signals in threads started while it lives.
class NoSignals {
 public:
  NoSignals() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~NoSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

}  // namespace

class WorkerPool {
 public:
  WorkerPool() = default;
  // If a thread cannot be started, the destructor stops those that were.
  explicit WorkerPool(std::size_t workers) : WorkerPool() {
    const NoSignals none;
    workers_.reserve(workers);
    for (std::size_t thread = 1; thread <= workers; ++thread) workers_.emplace_back([this, thread] { serve(thread); });
  }

  ~WorkerPool() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  bool is_forked() const { return getpid() != owner_; }

  // Workers that arrive late find no part left, and are not waited for.
  void share(std::size_t parts, const void* context, Body body) {
    job_.body = body;
    job_.context = context;
    job_.parts = static_cast<std::uint32_t>(parts);
    job_.done.store(0, std::memory_order_relaxed);
    // The caller takes the first part.
    const std::uint64_t last = job_.open.load(std::memory_order_relaxed);
    job_.open.store((last & ~(kJob - 1)) + kJob + job_.parts - 1, std::memory_order_release);
    body(context, 0, 0);
    const std::uint32_t others = job_.parts - 1 - run_parts(0);
    is_shared_ = true;
    is_helped_ |= others != 0;
    const auto all_done = [&] { return job_.done.load() == others; };
    if (all_done() || spin(all_done, kWaitTime)) return;
    std::unique_lock lock(mutex_);
    waiting_ = true;
    done_.wait(lock, all_done);
    waiting_ = false;
  }

  void begin() {
    const auto now = Clock::now();
    if (now - ended_ > kWaitTime) busy_since_ = now;
    began_ = now;
    is_alone_ = is_shared_ && !is_helped_ && now - tried_ < kRetryInterval;
    if (!is_alone_) {
      tried_ = now;
      is_shared_ = is_helped_ = false;
    }
    job_.more.store(true, std::memory_order_relaxed);
  }

  std::size_t split(std::size_t parts) {
    if (is_alone_) return 1;
    if (awake() >= parts) return parts;
    const auto now = Clock::now();
    if (!is_worth_waking(now)) return awake();
    woke_ = now;
    wanted_ = static_cast<std::uint32_t>(parts);
    wake();
    return parts;
  }

  void end() {
    job_.more.store(false, std::memory_order_relaxed);
    ended_ = Clock::now();
    took_ = ended_ - began_;
  }

 private:
  // Including the caller.
  std::size_t awake() const { return workers_.size() + 1 - sleeping_.load(std::memory_order_relaxed); }

  // Whether the caller is busy for long, in this run or the last one, and has not woken a worker recently.
  bool is_worth_waking(Clock::time_point now) const {
    return now - woke_ > kBusyTime && (took_ > kBusyTime || now - busy_since_ > kBusyTime);
  }

  // Wakes one worker, which wakes the next two. After a fork the child has no workers, and must not touch locks that
  // one of them may hold.
  void wake() {
    if (is_forked()) {
      sleeping_ = 0;
      return;
    }
    {
      const std::lock_guard lock(mutex_);
      if (sleeping_ == 0) return;
      --sleeping_;
      ++called_;
    }
    work_.notify_one();
  }

  // Runs parts until none are left; returns how many.
  std::uint32_t run_parts(std::size_t thread) {
    std::uint32_t count = 0;
    std::uint64_t open = job_.open;
    while (parts_left(open) != 0) {
      if (!job_.open.compare_exchange_weak(open, open - 1)) continue;
      job_.body(job_.context, job_.parts - parts_left(open), thread);
      ++count;
      open = job_.open;
    }
    return count;
  }

  void serve(std::size_t thread) {
    while (!stop_) {
      const std::uint32_t count = run_parts(thread);
      if (count != 0) report(count);
      if (!wait_for_job()) sleep();
    }
  }

  // Waits for another job; false after a time limit, which does not apply while more jobs may follow.
  bool wait_for_job() {
    const auto needed = [this] { return parts_left(job_.open) != 0 || stop_; };
    if (spin(needed, kSpinTime)) return true;
    for (auto begin = Clock::now(); Clock::now() - begin < kWaitTime - kSpinTime;) {
      std::this_thread::yield();
      if (spin(needed, Clock::duration::zero())) return true;
      if (job_.more.load(std::memory_order_relaxed)) begin = Clock::now();
    }
    return false;
  }

  void report(std::uint32_t count) {
    job_.done += count;
    if (!waiting_) return;
    const std::lock_guard lock(mutex_);
    done_.notify_one();
  }

  void sleep() {
    {
      std::unique_lock lock(mutex_);
      ++sleeping_;
      work_.wait(lock, [this] { return called_ != 0 || stop_; });
      if (called_ != 0) --called_;
    }
    for (int i = 0; i < 2 && awake() < wanted_; ++i) wake();
  }

  // Non-atomic members may only be read by a thread that holds an unfinished part.
  struct alignas(kLines) Job {
    Body body = nullptr;
    const void* context = nullptr;
    std::uint32_t parts = 0;
    std::atomic<std::uint32_t> done{0};  // by workers
    // Upper half: number of the job, so that parts of different jobs are not confused. Lower half: parts not taken yet.
    std::atomic<std::uint64_t> open{0};
    std::atomic<bool> more{false};  // jobs may follow
  };

  const pid_t owner_ = getpid();
  Job job_;
  alignas(kLines) std::mutex mutex_;
  std::condition_variable work_, done_;
  std::atomic<std::uint32_t> sleeping_{0};  // sleeping workers that were not notified
  std::uint32_t called_ = 0;
  std::atomic<std::uint32_t> wanted_{0};  // threads, by the job that woke one
  std::atomic<bool> waiting_{false};      // the caller
  std::atomic<bool> stop_{false};

  // Used by the caller only.
  Clock::time_point busy_since_, began_, ended_, tried_, woke_;
  Clock::duration took_{0};
  bool is_shared_ = false, is_helped_ = false;  // since the last attempt
  bool is_alone_ = false;
  std::vector<std::thread> workers_;
};

Pool::Pool(std::uint32_t threads)
    : threads_(threads), workers_(threads < 2 ? nullptr : std::make_unique<WorkerPool>(threads - 1)) {}

Pool::~Pool() {
  // A forked child has no threads to join, and its condition variables may have waiters: leak them.
  if (workers_ != nullptr && workers_->is_forked()) static_cast<void>(workers_.release());
}

void Pool::share(std::size_t parts, const void* context, Body body) { workers_->share(parts, context, body); }

std::size_t Pool::helped(std::size_t parts) {
  if (!is_busy_) workers_->begin();
  is_busy_ = true;
  return workers_->split(parts);
}

void Pool::end() {
  workers_->end();
  is_busy_ = false;
}

}  // namespace octavo
