#include "proxy/cold_pages.h"

#include <link.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>

namespace outrigger {
namespace {

// Only what was never writable: the file has all of it.
void give_back(const dl_phdr_info& object, const ElfW(Phdr) & segment) {
  if (segment.p_type != PT_LOAD || (segment.p_flags & PF_W) != 0) return;
  const auto page = static_cast<std::uintptr_t>(sysconf(_SC_PAGESIZE));
  const std::uintptr_t from = (object.dlpi_addr + segment.p_vaddr) / page * page;
  const std::uintptr_t to = object.dlpi_addr + segment.p_vaddr + segment.p_memsz;
  madvise(reinterpret_cast<void*>(from), to - from, MADV_DONTNEED);
}

}  // namespace

void give_back_cold_pages() {
  const auto each = [](dl_phdr_info* object, std::size_t, void*) {
    for (int i = 0; i < object->dlpi_phnum; ++i) give_back(*object, object->dlpi_phdr[i]);
    return 0;
  };
  dl_iterate_phdr(each, nullptr);
}

}  // namespace outrigger
