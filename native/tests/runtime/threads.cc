// Threads, under the thread sanitizer: threads MODEL.oct. Exits with 0 if all results equal those of one thread.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "octavo.h"
#include "runtime/pool.h"

namespace {

constexpr int kSessions = 3, kRuns = 10;
// The first axis of tensors of rank 1, and of higher rank.
constexpr std::int64_t kLong = 100000, kBatch = 3;

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::exit(1);
}

// Every part runs once, and no two parts use the same thread's memory concurrently.
void test_jobs(std::uint32_t threads) {
  octavo::Pool pool(threads);
  std::vector<long> of_threads(threads);
  long all = 0;
  for (std::size_t parts = 0; parts < 300; ++parts) {
    const std::size_t split_parts = pool.split(parts);
    require(split_parts <= parts && (split_parts > 0 || parts == 0), "a job is split into more parts than requested");
    std::vector<int> times(parts);
    pool.run(parts, [&](std::size_t part, std::size_t thread) {
      ++times[part];
      ++of_threads[thread];
    });
    for (const int count : times) require(count == 1, "a part did not run once");
    all += static_cast<long>(parts);
    if (parts % 50 != 0) continue;
    pool.rest();
    usleep(1000);  // lets the workers go to sleep
  }
  for (const long count : of_threads) all -= count;
  require(all == 0, "parts were lost");
}

// Idle workers sleep, and wake up when a caller has work.
void test_waking() {
  constexpr std::size_t kThreads = 3;
  octavo::Pool pool(kThreads);
  usleep(20000);
  require(pool.split(kThreads) == 1, "one job wakes sleeping workers");
  const auto until = std::chrono::steady_clock::now() + std::chrono::seconds(30);
  for (std::atomic<bool> helped = false; !helped;) {
    require(std::chrono::steady_clock::now() < until, "no worker wakes up");
    pool.run(pool.split(kThreads), [&](std::size_t, std::size_t thread) {
      if (thread != 0) helped = true;
    });
  }
}

class Runs {
 public:
  Runs(const octavo_model* model, std::uint32_t threads) {
    octavo_session_options options{};
    options.size = sizeof(options);
    options.threads = threads;
    require(octavo_session_open_with(model, &options, &session_, nullptr) == OCTAVO_OK, "no session");
    octavo_tensor from, to;
    octavo_input_info(model, 0, &from);
    octavo_shape shape{from.rank, {from.rank == 1 ? kLong : kBatch}};
    for (std::uint32_t axis = 1; axis < from.rank; ++axis) shape.dims[axis] = from.shape[axis];
    require(octavo_session_resize(session_, &shape, nullptr) == OCTAVO_OK, "not resized");
    octavo_session_input_info(session_, 0, &from);
    octavo_session_output_info(session_, 0, &to);
    input_.resize(from.size / sizeof(float));
    output_.resize(to.size / sizeof(float));
  }
  Runs(const Runs&) = delete;
  Runs& operator=(const Runs&) = delete;
  ~Runs() { octavo_session_close(session_); }

  const std::vector<float>& result(int seed) {
    for (std::size_t i = 0; i < input_.size(); ++i) input_[i] = static_cast<float>((i * 31 + seed * 17) % 255) / 255.0f;
    const octavo_input inputs[] = {{input_.data(), input_.size() * sizeof(float)}};
    const octavo_output outputs[] = {{output_.data(), output_.size() * sizeof(float)}};
    // Long enough to wake workers.
    const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(2);
    do {
      require(octavo_session_run(session_, inputs, outputs, nullptr) == OCTAVO_OK, "not run");
    } while (std::chrono::steady_clock::now() < until);
    return output_;
  }

 private:
  octavo_session* session_;
  std::vector<float> input_, output_;
};

void compare(const octavo_model* model, std::uint32_t threads) {
  Runs runs(model, threads), alone(model, 1);
  for (int seed = 0; seed < kRuns; ++seed) {
    require(runs.result(seed) == alone.result(seed), "threads changed the result");
  }
}

// Several multi-threaded sessions in concurrent threads.
void test_sessions(const octavo_model* model) {
  std::vector<std::thread> programs;
  for (int i = 0; i < kSessions; ++i) programs.emplace_back([=] { compare(model, 3); });
  for (std::thread& program : programs) program.join();
}

// After fork, the child runs and closes the inherited session and opens a new one; then the parent continues.
void test_fork(const octavo_model* model) {
  auto* runs = new Runs(model, 3);
  Runs alone(model, 1);
  const std::vector<float> expected = alone.result(7);
  require(runs->result(7) == expected, "threads changed the result");
  const pid_t child = fork();
  if (child == 0) {
    alarm(20);
    const bool same = runs->result(7) == expected;
    delete runs;
    _exit(same && Runs(model, 1).result(7) == expected ? 0 : 1);
  }
  int status = 0;
  require(waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child failed");
  require(runs->result(7) == expected, "a fork changed the result");
  delete runs;
}

void test_options(const octavo_model* model) {
  struct {
    octavo_session_options known;
    int later;
  } options{};
  octavo_session* session;
  octavo_error error;
  const auto open = [&] { return octavo_session_open_with(model, &options.known, &session, &error); };
  require(open() == OCTAVO_ARGUMENT && std::strstr(error.message, "not set") != nullptr, "no size");
  options.known.size = sizeof(options);
  require(open() == OCTAVO_OK, "a later version that asks for nothing new");
  octavo_session_close(session);
  options.later = 1;
  require(open() == OCTAVO_ARGUMENT && std::strstr(error.message, "does not know") != nullptr, "a later version");
  options.known.size = sizeof(options.known);
  options.known.threads = octavo::kMaxThreads + 1;
  require(open() == OCTAVO_ARGUMENT && std::strstr(error.message, "256") != nullptr, "too many threads");
}

}  // namespace

int main(int, char** arguments) {
  for (const std::uint32_t threads : {1, 2, 3, 8}) test_jobs(threads);
  test_waking();
  octavo_model* model;
  if (octavo_open(arguments[1], &model, nullptr) != OCTAVO_OK) return 2;
  for (const std::uint32_t threads : {2, 5}) compare(model, threads);
  test_sessions(model);
  test_fork(model);
  test_options(model);
  octavo_close(model);
}
