/*
 * A PKCS#11 library that is another one (the environment's FAULTY_REAL) until the file FAULTY_FILE says otherwise: its first byte is
 * read at each C_Login, C_SignInit and C_Sign. One line is added to FAULTY_LOG for each C_Login.
 *
 *   l  C_Login never returns        s  C_Sign is a segmentation fault
 *   h  C_Sign never returns         r  C_SignInit says CKR_DEVICE_REMOVED
 *                                   f  C_SignInit says CKR_FUNCTION_FAILED
 */
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <pkcs11/pkcs11.h>

static CK_FUNCTION_LIST real;
static CK_FUNCTION_LIST faulty;

static int fault(void) {
  FILE *file = fopen(getenv("FAULTY_FILE"), "r");
  int byte = file == NULL ? 0 : fgetc(file);
  if (file != NULL) fclose(file);
  return byte;
}

static CK_RV login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_UTF8CHAR_PTR pin, CK_ULONG length) {
  FILE *log = fopen(getenv("FAULTY_LOG"), "a");
  if (log != NULL) fputs("login\n", log), fclose(log);
  while (fault() == 'l') usleep(10000);
  return real.C_Login(session, user, pin, length);
}

static CK_RV signInit(CK_SESSION_HANDLE session, CK_MECHANISM_PTR mechanism, CK_OBJECT_HANDLE key) {
  if (fault() == 'r') return CKR_DEVICE_REMOVED;
  return fault() == 'f' ? CKR_FUNCTION_FAILED : real.C_SignInit(session, mechanism, key);
}

static CK_RV sign(CK_SESSION_HANDLE session, CK_BYTE_PTR data, CK_ULONG length, CK_BYTE_PTR signature, CK_ULONG_PTR space) {
  if (fault() == 's') *(volatile int *)0 = 0;
  while (fault() == 'h') usleep(10000);
  return real.C_Sign(session, data, length, signature, space);
}

CK_RV C_GetFunctionList(CK_FUNCTION_LIST_PTR_PTR list) {
  void *library = dlopen(getenv("FAULTY_REAL"), RTLD_NOW | RTLD_LOCAL);
  CK_C_GetFunctionList get = library == NULL ? NULL : (CK_C_GetFunctionList)dlsym(library, "C_GetFunctionList");
  CK_FUNCTION_LIST_PTR functions;
  if (get == NULL || get(&functions) != CKR_OK) return CKR_GENERAL_ERROR;
  real = faulty = *functions;
  faulty.C_Login = login;
  faulty.C_SignInit = signInit;
  faulty.C_Sign = sign;
  *list = &faulty;
  return CKR_OK;
}
