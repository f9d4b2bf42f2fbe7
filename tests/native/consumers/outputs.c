/* Runs a bundle on raw bytes: outputs MODEL.oct INPUTS.raw OUTPUTS.raw. The
 * files are the concatenated inputs and outputs. */
#include <stdio.h>
#include <stdlib.h>

#include "octavo.h"

enum { MOST = 8 };

static int run(octavo_model *model, FILE *from, FILE *to) {
  octavo_input inputs[MOST];
  octavo_output outputs[MOST];
  octavo_tensor tensor;
  octavo_error error;
  size_t i;
  if (octavo_input_count(model) > MOST || octavo_output_count(model) > MOST)
    return 2;
  for (i = 0; i < octavo_input_count(model); ++i) {
    void *data;
    octavo_input_info(model, i, &tensor);
    data = malloc(tensor.size);
    if (data == NULL || fread(data, 1, tensor.size, from) != tensor.size)
      return 2;
    inputs[i].data = data;
    inputs[i].size = tensor.size;
  }
  for (i = 0; i < octavo_output_count(model); ++i) {
    octavo_output_info(model, i, &tensor);
    outputs[i].data = malloc(tensor.size);
    outputs[i].size = tensor.size;
  }
  if (octavo_run(model, inputs, outputs, &error) != OCTAVO_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 2;
  }
  for (i = 0; i < octavo_output_count(model); ++i) {
    if (fwrite(outputs[i].data, 1, outputs[i].size, to) != outputs[i].size)
      return 2;
  }
  return 0;
}

int main(int count, char **arguments) {
  octavo_model *model;
  octavo_error error;
  FILE *from, *to;
  int status;
  if (count != 4)
    return 2;
  if (octavo_open(arguments[1], &model, &error) != OCTAVO_OK) {
    fprintf(stderr, "%s\n", error.message);
    return 2;
  }
  from = fopen(arguments[2], "rb");
  to = fopen(arguments[3], "wb");
  status = from == NULL || to == NULL ? 2 : run(model, from, to);
  if (from != NULL)
    fclose(from);
  if (to != NULL && fclose(to) != 0)
    status = 2;
  octavo_close(model);
  return status;
}
