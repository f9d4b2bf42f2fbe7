// A file mapped read-only.
#pragma once

#include <cstddef>
#include <span>
#include <string>

namespace octavo {

class MappedFile {
 public:
  MappedFile() = default;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile();

  // On failure returns false with one sentence in `error`.
  bool open(const char* path, std::string& error);
  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace octavo
