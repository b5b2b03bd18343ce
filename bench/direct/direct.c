/* Direct signs with a PKCS #11 module in its own process, as a program written
 * for it would: the ruler of the bench part "hsm". It has no loop around the
 * two calls but counting.
 *
 *   direct MODULE SLOT PIN LABEL MECHANISM BYTES CALLERS SECONDS
 *
 * CALLERS threads, each with its own session, sign BYTES bytes again and again
 * with the private key of that label. One line comes out: signatures, seconds,
 * seconds of processor time.
 *
 *   cc -O2 -pthread -o direct direct.c -ldl
 *
 * The declarations are those of the OASIS headers of PKCS #11 2.40 that are
 * needed here, so that no package of headers is.
 */
#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

typedef unsigned long ulong_t;
typedef struct { ulong_t type; void *value; ulong_t length; } attribute_t;
typedef struct { ulong_t type; void *parameter; ulong_t length; } mechanism_t;
typedef struct { void *mutexes[4]; ulong_t flags; void *reserved; } initialise_t;
typedef ulong_t (*function_t)(); /* arguments as they are: all are longs or addresses */
typedef struct { unsigned char version[2]; function_t f[68]; } list_t;

enum { INITIALIZE = 0, FINALIZE = 1, OPEN_SESSION = 12, LOGIN = 18, FIND_INIT = 26, FIND = 27, FIND_FINAL = 28, SIGN_INIT = 42, SIGN = 43 };

static list_t *module;
static ulong_t slot;
static attribute_t template[2];
static mechanism_t mechanism;
static ulong_t bytes;
static double seconds;

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + t.tv_nsec / 1e9;
}

static void check(const char *what, ulong_t rv) {
	if (rv != 0) {
		fprintf(stderr, "direct: %s: CKR 0x%lx\n", what, rv);
		exit(1);
	}
}

static void *caller(void *count) {
	ulong_t session, key, found, done = 0;
	unsigned char data[512], signature[8192];
	memset(data, 0x5a, sizeof data);
	check("C_OpenSession", module->f[OPEN_SESSION](slot, 4UL, NULL, NULL, &session));
	check("C_FindObjectsInit", module->f[FIND_INIT](session, template, 2UL));
	check("C_FindObjects", module->f[FIND](session, &key, 1UL, &found));
	check("C_FindObjectsFinal", module->f[FIND_FINAL](session));
	check("finding the key", found == 1 ? 0 : 1);
	for (double end = now() + seconds; now() < end; done++) {
		ulong_t length = sizeof signature;
		check("C_SignInit", module->f[SIGN_INIT](session, &mechanism, key));
		check("C_Sign", module->f[SIGN](session, data, bytes, signature, &length));
	}
	*(ulong_t *)count = done;
	return NULL;
}

int main(int argc, char **argv) {
	if (argc != 9) {
		fprintf(stderr, "usage: direct MODULE SLOT PIN LABEL MECHANISM BYTES CALLERS SECONDS\n");
		return 2;
	}
	void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
	function_t get = library ? (function_t)dlsym(library, "C_GetFunctionList") : NULL;
	if (get == NULL) {
		fprintf(stderr, "direct: %s\n", dlerror());
		return 1;
	}
	check("C_GetFunctionList", get(&module));
	initialise_t arguments = {.flags = 2};
	check("C_Initialize", module->f[INITIALIZE](&arguments));
	slot = strtoul(argv[2], NULL, 0);
	ulong_t session, class = 3;
	check("C_OpenSession", module->f[OPEN_SESSION](slot, 4UL, NULL, NULL, &session));
	check("C_Login", module->f[LOGIN](session, 1UL, argv[3], strlen(argv[3])));
	template[0] = (attribute_t){0, &class, sizeof class};
	template[1] = (attribute_t){3, argv[4], strlen(argv[4])};
	mechanism.type = strtoul(argv[5], NULL, 0);
	bytes = strtoul(argv[6], NULL, 0);
	int callers = atoi(argv[7]);
	seconds = atof(argv[8]);
	if (callers < 1 || callers > 64 || bytes > 512) {
		return 2;
	}
	pthread_t threads[64];
	ulong_t counts[64], total = 0;
	double start = now();
	for (int i = 0; i < callers; i++) {
		check("pthread_create", (ulong_t)pthread_create(&threads[i], NULL, caller, &counts[i]));
	}
	for (int i = 0; i < callers; i++) {
		pthread_join(threads[i], NULL);
		total += counts[i];
	}
	double took = now() - start;
	struct rusage used;
	getrusage(RUSAGE_SELF, &used);
	printf("%lu %.6f %.6f\n", total, took,
	       used.ru_utime.tv_sec + used.ru_stime.tv_sec + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6);
	module->f[FINALIZE](NULL);
	return 0;
}
