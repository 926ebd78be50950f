// Which of llhttp's two builds runs, by what the CPU has (see CMakeLists.txt). Both
// have the same states.
#include <llhttp.h>

int llhttp__internal_execute(llhttp__internal_t* state, const char* p, const char* endp);
int llhttp__internal_execute_sse42(llhttp__internal_t* state, const char* p, const char* endp);

int outrigger_llhttp_execute(llhttp__internal_t* state, const char* p, const char* endp) {
  return __builtin_cpu_supports("sse4.2") ? llhttp__internal_execute_sse42(state, p, endp)
                                          : llhttp__internal_execute(state, p, endp);
}
