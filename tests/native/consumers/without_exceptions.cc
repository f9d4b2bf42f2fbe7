// Opens a bundle in a program compiled without exceptions and RTTI; prints the
// error message or the name of the first input.
#include <cstdio>

#include "octavo.h"

int main(int count, char **arguments) {
  octavo_model *model = nullptr;
  octavo_error error;
  if (count != 2 || octavo_open(arguments[1], &model, &error) != OCTAVO_OK) {
    std::puts(count == 2 ? error.message : "");
    return 2;
  }
  octavo_tensor input;
  octavo_input_info(model, 0, &input);
  std::puts(input.name);
  octavo_close(model);
}
