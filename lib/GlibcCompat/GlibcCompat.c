// Lets what is linked on a new glibc load on glibc 2.28 (RHEL 8, Debian 11, Ubuntu 20.04): the level manylinux_2_28.
//
// The linker takes the newest version of each symbol of the glibc on this machine. A definition in an object of the
// link goes before one in a shared library, so each function here stands in for the newer one. All are hidden: no other
// library in the process sees them. The linker drops those that the program does not use.
// scripts/check-glibc.sh names the symbols that are still too new after an update of LLVM or of the compiler.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/single_threaded.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#define BASE "GLIBC_2.2.5" // the first version of glibc on this architecture
#elif defined(__aarch64__)
#define BASE "GLIBC_2.17"
#else
#error "no base version of glibc is known for this architecture"
#endif

#define HIDDEN __attribute__((visibility("hidden")))

//===--------------------------------------------------------------------------------------------------------------===//
// Functions that old glibcs have too: a jump to the old version
//===--------------------------------------------------------------------------------------------------------------===//

#if defined(__x86_64__)
#define JUMP(target) "jmp " target "@PLT\n"
#else
#define JUMP(target) "b " target "\n"
#endif

// A jump and not a call: arguments, results, the caller's address and unwinding stay as they are.
#define FORWARD(version, name)                                                                                         \
  __asm__(".pushsection .text.compat." #name ",\"ax\",%progbits\n"                                                     \
          ".symver old_" #name "," #name "@" version "\n"                                                              \
          ".globl " #name "\n.hidden " #name "\n.type " #name ",%function\n" #name                                     \
          ":\n" JUMP("old_" #name) ".size " #name ",.-" #name "\n.popsection\n");

// New versions since 2.29, without a wrapper for errors of SVID.
FORWARD(BASE, exp)
FORWARD(BASE, exp2)
FORWARD(BASE, log)
FORWARD(BASE, log2)
FORWARD(BASE, pow)
// Moved from libpthread and libdl into libc in 2.32 to 2.34.
FORWARD(BASE, pthread_sigmask)
FORWARD(BASE, pthread_create)
FORWARD(BASE, pthread_join)
FORWARD(BASE, pthread_detach)
FORWARD(BASE, pthread_once)
FORWARD(BASE, pthread_attr_setstacksize)
FORWARD(BASE, pthread_rwlock_init)
FORWARD(BASE, pthread_rwlock_destroy)
FORWARD(BASE, pthread_rwlock_rdlock)
FORWARD(BASE, pthread_rwlock_wrlock)
FORWARD(BASE, pthread_rwlock_unlock)
FORWARD(BASE, pthread_key_create)
FORWARD(BASE, pthread_key_delete)
FORWARD(BASE, __pthread_key_create)
FORWARD(BASE, pthread_getspecific)
FORWARD(BASE, pthread_setspecific)
FORWARD(BASE, dlopen)
FORWARD(BASE, dlsym)
FORWARD(BASE, dlclose)
FORWARD(BASE, dlerror)
FORWARD(BASE, dladdr)
#if defined(__x86_64__)
FORWARD("GLIBC_2.12", pthread_setname_np)
FORWARD("GLIBC_2.12", pthread_getname_np)
#else
FORWARD(BASE, pthread_setname_np)
FORWARD(BASE, pthread_getname_np)
#endif

//===--------------------------------------------------------------------------------------------------------------===//
// Functions that old glibcs lack
//===--------------------------------------------------------------------------------------------------------------===//

// 2.32: libstdc++ asks whether it may count references without atomics. The answer is always no.
HIDDEN char __libc_single_threaded = 0;

// 2.33: before, these were inline functions over __xstat. The kernel's struct stat is that of glibc on these machines.
HIDDEN int stat(const char *path, struct stat *buffer) {
  return (int)syscall(SYS_newfstatat, AT_FDCWD, path, buffer, 0);
}

HIDDEN int lstat(const char *path, struct stat *buffer) {
  return (int)syscall(SYS_newfstatat, AT_FDCWD, path, buffer, AT_SYMLINK_NOFOLLOW);
}

HIDDEN int fstat(int descriptor, struct stat *buffer) { return (int)syscall(SYS_fstat, descriptor, buffer); }

// 2.33: LLVM prints it in its timing statistics, which show 0.
HIDDEN struct mallinfo2 mallinfo2(void) { return (struct mallinfo2){0}; }

// 2.36: the seed of libstdc++'s std::random_device.
HIDDEN uint32_t arc4random(void) {
  uint32_t value;
  if (getentropy(&value, sizeof(value)))
    abort();
  return value;
}

// 2.35: libgcc's unwinder asks which object an address lies in. This is how it found out before: it asked each object.
struct Search {
  uintptr_t address;
  struct dl_find_object *found;
};

static int lookInObject(struct dl_phdr_info *object, size_t size, void *argument) {
  (void)size;
  struct Search *search = argument;
  uintptr_t first = UINTPTR_MAX, last = 0;
  void *ehFrame = NULL;
  int holdsAddress = 0;
  for (int i = 0; i < object->dlpi_phnum; ++i) {
    const ElfW(Phdr) *header = &object->dlpi_phdr[i];
    uintptr_t start = object->dlpi_addr + header->p_vaddr, end = start + header->p_memsz;
    if (header->p_type == PT_GNU_EH_FRAME)
      ehFrame = (void *)start;
    if (header->p_type != PT_LOAD)
      continue;
    first = start < first ? start : first;
    last = end > last ? end : last;
    holdsAddress |= search->address >= start && search->address < end;
  }
  if (!holdsAddress || !ehFrame)
    return 0;
  search->found->dlfo_map_start = (void *)first;
  search->found->dlfo_map_end = (void *)last;
  search->found->dlfo_eh_frame = ehFrame;
  return 1;
}

HIDDEN int _dl_find_object(void *address, struct dl_find_object *found) {
  memset(found, 0, sizeof(*found));
  struct Search search = {(uintptr_t)address, found};
  return dl_iterate_phdr(lookInObject, &search) ? 0 : -1;
}

//===--------------------------------------------------------------------------------------------------------------===//
// The start of a program
//===--------------------------------------------------------------------------------------------------------------===//

// 2.34: the start files leave it to glibc to run the constructors of the program. Older glibcs run a function that the
// program names; newer ones too, where it names one.
typedef int MainFunction(int, char **, char **);
typedef void Constructor(int, char **, char **);
extern int oldStartMain(MainFunction *, int, char **, Constructor *, void (*)(void), void (*)(void), void *);
__asm__(".symver oldStartMain,__libc_start_main@" BASE);
extern Constructor *const __preinit_array_start[] HIDDEN, *const __preinit_array_end[] HIDDEN;
extern Constructor *const __init_array_start[] HIDDEN, *const __init_array_end[] HIDDEN;

static void runConstructors(int argc, char **argv, char **environment) {
  for (Constructor *const *each = __preinit_array_start; each != __preinit_array_end; ++each)
    (*each)(argc, argv, environment);
  for (Constructor *const *each = __init_array_start; each != __init_array_end; ++each)
    (*each)(argc, argv, environment);
}

HIDDEN int __libc_start_main(MainFunction *mainFunction, int argc, char **argv, Constructor *init, void (*fini)(void),
                             void (*loaderFini)(void), void *stackEnd) {
  return oldStartMain(mainFunction, argc, argv, init ? init : runConstructors, fini, loaderFini, stackEnd);
}
