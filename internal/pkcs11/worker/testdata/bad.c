/* A PKCS #11 library that does what libraries must not do: C_Login does what
 * the PIN says. The numbers of the functions are those of CK_FUNCTION_LIST. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

typedef unsigned long ulong_t;
typedef struct { unsigned char version[2]; ulong_t (*f[68])(); } list_t;

extern char **environ;
static list_t list = {{2, 40}, {0}};

static void nothing(int signal) { (void)signal; }

static ulong_t ok() { return 0; }

static ulong_t initialize() {
	if (getenv("BAD_START") != NULL) {
		if (strcmp(getenv("BAD_START"), "hang") == 0) pause();
		if (strcmp(getenv("BAD_START"), "refuse") == 0) return 0x30; /* CKR_DEVICE_ERROR */
		abort();
	}
	return 0;
}

static ulong_t finalize() {
	if (getenv("BAD_END") != NULL) for (;;) pause();
	return 0;
}

static ulong_t get_info(unsigned char *info) {
	memset(info, ' ', 88);
	return 0;
}

static ulong_t random_bytes(ulong_t session, unsigned char *out, ulong_t n) {
	(void)session;
	memset(out, 7, n);
	return 0;
}

/* Says that it has written more than there is room for. */
static ulong_t sign(ulong_t session, void *data, ulong_t n, void *out, ulong_t *length) {
	(void)session, (void)data, (void)n, (void)out;
	*length = 1UL << 40;
	return 0;
}

static ulong_t login(ulong_t session, ulong_t user, char *pin, ulong_t n) {
	(void)session, (void)user;
	char what[32] = {0};
	memcpy(what, pin, n < 31 ? n : 31);
	if (strcmp(what, "fault") == 0) *(volatile int *)8 = 1;
	if (strcmp(what, "abort") == 0) abort();
	if (strcmp(what, "exit") == 0) exit(3);
	if (strcmp(what, "heap") == 0) { char *p = malloc(32); memset(p - 16, 0xff, 64); free(p); free(p); }
	if (strcmp(what, "hang") == 0) for (;;) pause();
	if (strcmp(what, "close") == 0) for (int i = 0; i < 1024; i++) close(i);
	if (strcmp(what, "leak") == 0) while (open("/dev/null", O_RDONLY) >= 0) {}
	if (strcmp(what, "signals") == 0) for (int i = 1; i < 32; i++) if (i != SIGURG) signal(i, nothing);
	if (strcmp(what, "print") == 0) { for (int i = 0; i < 100000; i++) printf("line %d\n", i); fflush(stdout); }
	if (strcmp(what, "long") == 0) { for (int i = 0; i < 1000000; i++) putchar('x'); puts("\nend"); fflush(stdout); }
	if (strcmp(what, "environment") == 0) for (char **v = environ; *v; v++) fprintf(stderr, "variable %s\n", *v);
	if (strcmp(what, "limits") == 0) {
		struct rlimit core;
		getrlimit(RLIMIT_CORE, &core);
		fprintf(stderr, "core %lu, dumpable %d\n", (ulong_t)core.rlim_max, prctl(PR_GET_DUMPABLE));
	}
	if (strcmp(what, "descriptors") == 0)
		for (int i = 3; i < 1024; i++) {
			char path[32], target[256] = {0};
			snprintf(path, sizeof path, "/proc/self/fd/%d", i);
			if (readlink(path, target, 255) > 0 && (fcntl(i, F_GETFD) & FD_CLOEXEC) == 0) fprintf(stderr, "descriptor %d %s\n", i, target);
		}
	if (strcmp(what, "child") == 0) {
		pid_t child = fork();
		if (child == 0) { execl("/bin/sleep", "sleep", "1000", NULL); _exit(1); }
		fprintf(stderr, "child %d\n", child);
	}
	return 0;
}

ulong_t C_GetFunctionList(list_t **out) {
	for (int i = 0; i < 68; i++) list.f[i] = ok;
	list.f[0] = initialize;
	list.f[1] = finalize;
	list.f[2] = get_info;
	list.f[18] = login;
	list.f[43] = sign;
	list.f[64] = random_bytes;
	list.f[63] = NULL;
	*out = &list;
	return 0;
}
