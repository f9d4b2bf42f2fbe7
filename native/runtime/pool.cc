#include "runtime/pool.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <csignal>
#include <mutex>
#include <thread>
#include <vector>

namespace octavo {
namespace {

using Body = void (*)(const void* context, std::size_t part, std::size_t thread);

constexpr std::uint64_t kJob = std::uint64_t{1} << 32;
constexpr std::uint32_t untaken(std::uint64_t open) { return static_cast<std::uint32_t>(open); }

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("isb");
#endif
}

// Looks again and again, for no longer than it takes to sleep and be woken; whether the condition came true.
template <class Condition>
bool spin(const Condition& condition) {
  constexpr auto kLongest = std::chrono::microseconds(20);
  constexpr int kBetweenClocks = 32;
  const auto begin = std::chrono::steady_clock::now();
  do {
    for (int i = 0; i < kBetweenClocks; ++i) {
      if (condition()) return true;
      pause();
    }
  } while (std::chrono::steady_clock::now() - begin < kLongest);
  return condition();
}

// Threads that are started meanwhile leave signals to the program's own.
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

class Crew {
 public:
  Crew() = default;
  // Where a thread cannot be started, the destructor stops those that were.
  explicit Crew(std::size_t workers) : Crew() {
    const NoSignals none;
    workers_.reserve(workers);
    for (std::size_t thread = 1; thread <= workers; ++thread) workers_.emplace_back([this, thread] { serve(thread); });
  }

  ~Crew() {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    work_.notify_all();
    for (std::thread& worker : workers_) worker.join();
  }

  // Workers that come late find no part untaken, and are not waited for.
  void share(std::size_t parts, const void* context, Body body) {
    body_ = body;
    context_ = context;
    parts_ = static_cast<std::uint32_t>(parts);
    undone_ = parts_;
    open_ = (open_ & ~(kJob - 1)) + kJob + parts_;
    wake(parts - 1);
    while (run_one(0)) {
    }
    const auto all_done = [this] { return undone_ == 0; };
    if (spin(all_done)) return;
    std::unique_lock lock(mutex_);
    waiting_ = true;
    done_.wait(lock, all_done);
    waiting_ = false;
  }

 private:
  // A worker counts as sleeping before its last look for work, so it has seen the job or is woken.
  void wake(std::size_t most) {
    const std::size_t count = std::min<std::size_t>(most, sleeping_);
    if (count == 0) return;
    {
      const std::lock_guard lock(mutex_);
    }
    for (std::size_t i = 0; i < count; ++i) work_.notify_one();
  }

  // Takes a part and runs it; whether there was one.
  bool run_one(std::size_t thread) {
    std::uint64_t open = open_;
    do {
      if (untaken(open) == 0) return false;
    } while (!open_.compare_exchange_weak(open, open - 1));
    body_(context_, parts_ - untaken(open), thread);
    if (--undone_ == 0 && waiting_) {
      const std::lock_guard lock(mutex_);
      done_.notify_one();
    }
    return true;
  }

  void serve(std::size_t thread) {
    const auto needed = [this] { return untaken(open_) != 0 || stop_; };
    while (!stop_) {
      while (run_one(thread)) {
      }
      if (spin(needed)) continue;
      std::unique_lock lock(mutex_);
      ++sleeping_;
      work_.wait(lock, needed);
      --sleeping_;
    }
  }

  // The job. Only who holds a part of it that is not done may read these.
  Body body_ = nullptr;
  const void* context_ = nullptr;
  std::uint32_t parts_ = 0;
  // The number of the job above, so that no part is mistaken for one of another; below, how many nobody has taken.
  std::atomic<std::uint64_t> open_{0};
  std::atomic<std::uint32_t> undone_{0};

  std::mutex mutex_;
  std::condition_variable work_, done_;
  std::atomic<std::uint32_t> sleeping_{0};  // workers
  std::atomic<bool> waiting_{false};        // the caller
  std::atomic<bool> stop_{false};
  std::vector<std::thread> workers_;
};

Pool::Pool(std::uint32_t threads)
    : threads_(threads), owner_(getpid()), crew_(threads < 2 ? nullptr : std::make_unique<Crew>(threads - 1)) {}

Pool::~Pool() {
  // Neither threads nor condition variables can be taken down by a process in which nobody runs or waits any more.
  if (is_forked()) static_cast<void>(crew_.release());
}

bool Pool::is_forked() const { return getpid() != owner_; }

void Pool::notice_fork() {
  if (threads_ > 1 && is_forked()) threads_ = 1;
}

void Pool::share(std::size_t parts, const void* context, Body body) { crew_->share(parts, context, body); }

}  // namespace octavo
