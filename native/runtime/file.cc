#include "runtime/file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace octavo {
namespace {

std::span<const std::byte> map(int file, std::string& error) {
  struct stat status;
  if (fstat(file, &status) != 0) {
    error = std::strerror(errno);
  } else if (!S_ISREG(status.st_mode)) {
    error = "it is no ordinary file";
  } else if (status.st_size == 0) {
    error = "it is empty";
  } else {
    const auto size = static_cast<std::size_t>(status.st_size);
    void* mapping = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file, 0);
    if (mapping != MAP_FAILED) return {static_cast<const std::byte*>(mapping), size};
    error = std::strerror(errno);
  }
  return {};
}

}  // namespace

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

bool MappedFile::open(const char* path, std::string& error) {
  // Opening a pipe would otherwise block.
  const int file = ::open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (file < 0) {
    error = std::strerror(errno);
  } else {
    bytes_ = map(file, error);
    close(file);
  }
  if (!bytes_.empty()) return true;
  error = std::string(path) + " cannot be opened: " + error;
  return false;
}

}  // namespace octavo
