/* Loads a bundle and says which class an input belongs to: main MODEL.oct INPUT.raw */
#include <stdio.h>
#include <stdlib.h>

#include "octavo.h"

static int complain(const octavo_error* error) {
  fprintf(stderr, "%s\n", error->message);
  return 2;
}

/* Fills `size` bytes from a file that holds exactly as many. */
static int read_whole(const char* path, void* data, size_t size) {
  FILE* file = fopen(path, "rb");
  if (file == NULL) return 0;
  size_t got = fread(data, 1, size, file);
  int whole = got == size && fgetc(file) == EOF;
  fclose(file);
  return whole;
}

static size_t largest(const float* values, size_t count) {
  size_t found = 0;
  for (size_t i = 1; i < count; ++i) {
    if (values[i] > values[found]) found = i;
  }
  return found;
}

static int classify(octavo_model* model, const char* path) {
  octavo_tensor from, to;
  octavo_error error;
  if (octavo_input_info(model, 0, &from) != OCTAVO_OK || octavo_output_info(model, 0, &to) != OCTAVO_OK ||
      octavo_input_count(model) != 1 || octavo_output_count(model) != 1 || to.dtype != OCTAVO_F32) {
    fprintf(stderr, "this example takes models of one input and one output of float32\n");
    return 2;
  }
  int status = 2;
  void* input = malloc(from.size);
  float* scores = malloc(to.size);
  if (input == NULL || scores == NULL || !read_whole(path, input, from.size)) {
    fprintf(stderr, "%s does not hold the %zu bytes of '%s'\n", path, from.size, from.name);
  } else {
    const octavo_input inputs[] = {{input, from.size}};
    const octavo_output outputs[] = {{scores, to.size}};
    if (octavo_run(model, inputs, outputs, &error) != OCTAVO_OK) {
      complain(&error);
    } else {
      size_t class = largest(scores, to.size / sizeof(float));
      printf("%zu %.6f\n", class, scores[class]);
      status = 0;
    }
  }
  free(input);
  free(scores);
  return status;
}

int main(int count, char** arguments) {
  octavo_model* model;
  octavo_error error;
  if (count != 3) {
    fprintf(stderr, "usage: %s MODEL.oct INPUT.raw\n", arguments[0]);
    return 2;
  }
  if (octavo_open(arguments[1], &model, &error) != OCTAVO_OK) return complain(&error);
  int status = classify(model, arguments[2]);
  octavo_close(model);
  return status;
}
