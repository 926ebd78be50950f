// Preloaded into a program, counts what each of its threads allocates, in a file that others can
// read at any time: OUTRIGGER_ALLOCATIONS, an array of kThreads pairs of a thread's id and its
// count. Whatever allocates comes to these functions in the end, the libraries too.

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstdlib>

// The C library's own, under the names by which it offers them to those who replace them.
extern "C" {
void* __libc_malloc(size_t size);                      // NOLINT
void* __libc_calloc(size_t count, size_t size);        // NOLINT
void* __libc_realloc(void* memory, size_t size);       // NOLINT
void* __libc_memalign(size_t alignment, size_t size);  // NOLINT
}

namespace {

constexpr size_t kThreads = 256;

struct Counted {
  std::atomic<int64_t> thread;
  std::atomic<uint64_t> allocations;
};

std::atomic<Counted*> all{nullptr};
std::atomic<size_t> taken{0};
thread_local Counted* mine = nullptr;

void count() {
  if (!mine) {
    Counted* const first = all.load(std::memory_order_acquire);
    if (!first) return;  // before main()
    const size_t place = taken++;
    if (place >= kThreads) std::abort();
    mine = first + place;
    mine->thread = gettid();
  }
  mine->allocations.fetch_add(1, std::memory_order_relaxed);
}

[[gnu::constructor]] void open_file() {
  const char* path = std::getenv("OUTRIGGER_ALLOCATIONS");
  if (!path) return;
  constexpr size_t kSize = kThreads * sizeof(Counted);
  const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0 || ftruncate(fd, kSize) != 0) std::abort();
  void* const memory = mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (memory == MAP_FAILED) std::abort();
  close(fd);
  all.store(static_cast<Counted*>(memory), std::memory_order_release);
}

}  // namespace

extern "C" {

void* malloc(size_t size) {
  count();
  return __libc_malloc(size);
}
void* calloc(size_t number, size_t size) {
  count();
  return __libc_calloc(number, size);
}
void* realloc(void* memory, size_t size) {
  count();
  return __libc_realloc(memory, size);
}
void* memalign(size_t alignment, size_t size) {
  count();
  return __libc_memalign(alignment, size);
}
void* aligned_alloc(size_t alignment, size_t size) {
  return memalign(alignment, size);
}
int posix_memalign(void** memory, size_t alignment, size_t size) {
  *memory = memalign(alignment, size);
  return *memory ? 0 : ENOMEM;
}

}  // extern "C"
