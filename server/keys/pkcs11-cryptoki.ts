import { endianness } from 'node:os'

/** A session or object handle, or a slot number, as the library wrote it: a CK_ULONG in the byte order of the machine. */
export type Handle = Buffer

/** An attribute of an object, to look for or to read. */
export type Attribute = Readonly<{ type: number; value?: Buffer | boolean | number | string }>

/**
 * The PKCS#11 calls that signing needs, as the class `PKCS11` of the package pkcs11js has them. Written out, because that package is
 * optional, and because a test stands between any two of these calls. Each throws an error whose `code` is the CKR_ value.
 * @see PKCS #11 Cryptographic Token Interface Base Specification 2.40, chapter 5
 */
export interface Cryptoki {
  C_Initialize(options: Readonly<{ flags: number }>): void
  C_Finalize(): void
  C_GetSlotList(tokenPresent: boolean): Handle[]
  C_GetTokenInfo(slot: Handle): Readonly<{ label: string; serialNumber: string; flags: number }>
  C_OpenSession(slot: Handle, flags: number): Handle
  C_CloseSession(session: Handle): void
  C_GetSessionInfo(session: Handle): Readonly<{ state: number }>
  C_Login(session: Handle, userType: number, pin: string): void
  C_FindObjectsInit(session: Handle, template: readonly Attribute[]): void
  C_FindObjects(session: Handle, maximum: number): Handle[]
  C_FindObjectsFinal(session: Handle): void
  C_GetAttributeValue(session: Handle, object: Handle, template: readonly Attribute[]): readonly Readonly<{ type: number; value: Buffer }>[]
  C_SignInit(session: Handle, mechanism: Readonly<{ mechanism: number }>, key: Handle): void
  C_SignAsync(session: Handle, data: Buffer, space: Buffer): Promise<Buffer>
}

/** Constants of PKCS #11 2.40, under their own names. */
export const CKF_OS_LOCKING_OK = 0x2
export const CKF_SERIAL_SESSION = 0x4
export const CKF_USER_PIN_FINAL_TRY = 0x2_0000
export const CKF_USER_PIN_LOCKED = 0x4_0000
export const CKS_RO_USER_FUNCTIONS = 1
export const CKU_USER = 1
export const CKM_RSA_PKCS = 1
export const CKK_RSA = 0n
export const CKO_CERTIFICATE = 1
export const CKO_PUBLIC_KEY = 2
export const CKO_PRIVATE_KEY = 3
export const CKA_CLASS = 0x0
export const CKA_LABEL = 0x3
export const CKA_VALUE = 0x11
export const CKA_KEY_TYPE = 0x100
export const CKA_ID = 0x102
export const CKA_SENSITIVE = 0x103
export const CKA_SIGN = 0x108
export const CKA_MODULUS = 0x120
export const CKA_PUBLIC_EXPONENT = 0x122
export const CKA_EXTRACTABLE = 0x162
export const CKA_ALWAYS_AUTHENTICATE = 0x202

const CKR = {
  slotIdInvalid: 0x3,
  deviceError: 0x30,
  deviceMemory: 0x31,
  deviceRemoved: 0x32,
  pinIncorrect: 0xa0,
  pinInvalid: 0xa1,
  pinLenRange: 0xa2,
  pinExpired: 0xa3,
  pinLocked: 0xa4,
  sessionCount: 0xb1,
  tokenNotPresent: 0xe0,
  tokenNotRecognized: 0xe1,
  userAlreadyLoggedIn: 0x100,
  cryptokiNotInitialized: 0x190,
} as const

const TOKEN_LOST: ReadonlySet<unknown> = new Set([CKR.slotIdInvalid, CKR.deviceError, CKR.deviceMemory, CKR.deviceRemoved, CKR.tokenNotPresent, CKR.tokenNotRecognized, CKR.cryptokiNotInitialized])
const PIN_REFUSED: ReadonlySet<unknown> = new Set([CKR.pinIncorrect, CKR.pinInvalid, CKR.pinLenRange, CKR.pinExpired, CKR.pinLocked])

const codeOf = (error: unknown): unknown => (error as Readonly<{ code?: unknown }>).code

/** Whether the token, or the library's connection to it, is gone: a new process may find it again, this one does not. */
export const isTokenLost = (error: unknown): boolean => TOKEN_LOST.has(codeOf(error))

/** Whether the token did not take the PIN. */
export const isPinRefused = (error: unknown): boolean => PIN_REFUSED.has(codeOf(error))

export const isAlreadyLoggedIn = (error: unknown): boolean => codeOf(error) === CKR.userAlreadyLoggedIn

/** Whether the token has no room for one more session. */
export const isSessionCount = (error: unknown): boolean => codeOf(error) === CKR.sessionCount

/** Returns what the library said, such as `CKR_PIN_INCORRECT`, for a sentence in the log. */
export const nameOf = (error: unknown): string => (error as Error).message

/** Returns the number in a handle or an attribute that is a CK_ULONG. */
export function ulongOf(bytes: Buffer, order: 'LE' | 'BE' = endianness()): bigint {
  const bigEndian = order === 'BE' ? bytes : Buffer.from(bytes.toReversed())
  return BigInt(`0x${bigEndian.toString('hex')}`)
}

/** Returns whether an attribute is CK_TRUE; undefined when the object has no such attribute. */
export function flagOf(value: Buffer | undefined): boolean | undefined {
  return value === undefined ? undefined : value[0] !== 0
}

/** Returns at most two objects that answer to a template: more than one is ambiguous, however many there are. */
export function findTwo(cryptoki: Cryptoki, session: Handle, template: readonly Attribute[]): readonly Handle[] {
  cryptoki.C_FindObjectsInit(session, template)
  try {
    return cryptoki.C_FindObjects(session, 2)
  } finally {
    cryptoki.C_FindObjectsFinal(session)
  }
}

/** Returns an attribute of an object; undefined when the object has none, or does not give it. */
export function readAttribute(cryptoki: Cryptoki, { session, object, type }: Readonly<{ session: Handle; object: Handle; type: number }>): Buffer | undefined {
  try {
    return cryptoki.C_GetAttributeValue(session, object, [{ type }])[0]?.value
  } catch (error) {
    // Old libraries do not know each attribute (CKR_ATTRIBUTE_TYPE_INVALID); a lost token is another matter.
    if (isTokenLost(error)) throw error
    return undefined
  }
}
