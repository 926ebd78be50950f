// The program: dispatches to the commands, and nothing else.
#include "proxy/commands/commands.h"

int main(int argc, char** argv) {
  return outrigger::commands::dispatch(argc, argv);
}
