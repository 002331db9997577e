import { X509Certificate, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import {
  CKA_ALWAYS_AUTHENTICATE, CKA_CLASS, CKA_EXTRACTABLE, CKA_ID, CKA_KEY_TYPE, CKA_LABEL, CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_SENSITIVE, CKA_SIGN, CKA_VALUE,
  CKK_RSA, CKO_CERTIFICATE, CKO_PRIVATE_KEY, CKO_PUBLIC_KEY,
  findTwo, flagOf, readAttribute, ulongOf,
} from './pkcs11-cryptoki.ts'
import type { Attribute, Cryptoki, Handle } from './pkcs11-cryptoki.ts'
import type { KeyChoice, TokenChoice } from './pkcs11-protocol.ts'

/** Why a token or a key cannot be used, as one sentence for the log and the operator. */
export class TokenFault extends Error {
  override readonly name = 'TokenFault'
}

/** Returns what `find` makes, or the fault for which it cannot: one faulty key does not hide the others. */
export function faultOr<T>(find: () => T): T | TokenFault {
  try {
    return find()
  } catch (error) {
    if (error instanceof TokenFault) return error
    throw error
  }
}

/** A slot with a token in it. `label` and `serial` without the blanks that fill them up. */
export type TokenInfo = Readonly<{ slot: Handle; label: string; serial: string; flags: number }>

/** Returns what a token says about itself. */
export function readToken(cryptoki: Cryptoki, slot: Handle): TokenInfo {
  const { label, serialNumber, flags } = cryptoki.C_GetTokenInfo(slot)
  return { slot, label: label.trim(), serial: serialNumber.trim(), flags }
}

/**
 * Returns the one token that is meant.
 * @throws TokenFault when none or several answer to the choice, with the names of all that are there
 */
export function findToken(cryptoki: Cryptoki, choice: TokenChoice): TokenInfo {
  const tokens = cryptoki.C_GetSlotList(true).map((slot) => readToken(cryptoki, slot))
  const [token, second] = tokens.filter((each) => isMeant(each, choice))
  const wanted = Object.entries(choice).flat().join(' ')
  const there = tokens.map(({ slot, label, serial }) => `slot ${ulongOf(slot)} label "${label}" serial ${serial}`).join('; ')
  if (token === undefined) throw new TokenFault(`there is no token with ${wanted}; there are: ${there === '' ? 'none' : there}`)
  if (second !== undefined) throw new TokenFault(`there is more than one token with ${wanted}: ${there}`)
  return token
}

function isMeant({ slot, label, serial }: TokenInfo, choice: TokenChoice): boolean {
  if ('label' in choice) return choice.label === label
  return 'serial' in choice ? choice.serial === serial : BigInt(choice.slot) === ulongOf(slot)
}

/**
 * Returns the private key that is meant, once logged in.
 * @throws TokenFault when there is none or more than one, or when it is no RSA key that may sign, that stays where it is, and that asks
 * for no PIN of its own
 */
export function findPrivateKey(cryptoki: Cryptoki, session: Handle, choice: KeyChoice): Handle {
  const object = findOne(cryptoki, session, { objectClass: CKO_PRIVATE_KEY, choice })
  if (object === undefined) throw new TokenFault(`there is no private key with ${describe(choice)}`)
  const read = (type: number) => readAttribute(cryptoki, { session, object, type })
  const fault = privateKeyFault(read, choice)
  if (fault !== undefined) throw new TokenFault(`the private key with ${describe(choice)} ${fault}`)
  return object
}

function privateKeyFault(read: (type: number) => Buffer | undefined, { extractable }: KeyChoice): string | undefined {
  const keyType = read(CKA_KEY_TYPE)
  if (keyType === undefined || ulongOf(keyType) !== CKK_RSA) return 'is not an RSA key'
  if (flagOf(read(CKA_SIGN)) === false) return 'may not sign (CKA_SIGN is false)'
  if (flagOf(read(CKA_ALWAYS_AUTHENTICATE)) === true) return 'wants the PIN for each signature (CKA_ALWAYS_AUTHENTICATE), which nobody could type that often'
  if (!extractable && (flagOf(read(CKA_EXTRACTABLE)) !== false || flagOf(read(CKA_SENSITIVE)) !== true)) {
    return 'may leave its token (CKA_EXTRACTABLE or not CKA_SENSITIVE): make one that may not, or say `extractable: true`'
  }
  return undefined
}

/**
 * Returns the public part of the key that is meant, without a login: from its public key object, else from its certificate.
 * @throws TokenFault when there is neither, more than one, or one that cannot be read
 */
export function findPublicKey(cryptoki: Cryptoki, session: Handle, choice: KeyChoice): KeyObject {
  const publicKey = findOne(cryptoki, session, { objectClass: CKO_PUBLIC_KEY, choice })
  const certificate = publicKey === undefined ? findOne(cryptoki, session, { objectClass: CKO_CERTIFICATE, choice }) : undefined
  const object = publicKey ?? certificate
  if (object === undefined) throw new TokenFault(`there is no public key and no certificate with ${describe(choice)} that can be read without a login: give the public part as publicKey`)
  const [n, e, value] = [CKA_MODULUS, CKA_PUBLIC_EXPONENT, CKA_VALUE].map((type) => readAttribute(cryptoki, { session, object, type })?.toString('base64url'))
  try {
    // Never with nothing for a number: OpenSSL would make a key of that.
    return n !== undefined && e !== undefined ? createPublicKey({ format: 'jwk', key: { kty: 'RSA', n, e } }) : new X509Certificate(Buffer.from(String(value), 'base64url')).publicKey
  } catch (cause) {
    throw new TokenFault(`the public part of the key with ${describe(choice)} cannot be read from the token: give it as publicKey`, { cause })
  }
}

function findOne(cryptoki: Cryptoki, session: Handle, { objectClass, choice }: Readonly<{ objectClass: number; choice: KeyChoice }>): Handle | undefined {
  const template: Attribute[] = [{ type: CKA_CLASS, value: objectClass }]
  if (choice.label !== undefined) template.push({ type: CKA_LABEL, value: choice.label })
  if (choice.id !== undefined) template.push({ type: CKA_ID, value: Buffer.from(choice.id, 'hex') })
  const [object, second] = findTwo(cryptoki, session, template)
  const what = { [CKO_PRIVATE_KEY]: 'private key', [CKO_PUBLIC_KEY]: 'public key', [CKO_CERTIFICATE]: 'certificate' }[objectClass]
  if (second !== undefined) throw new TokenFault(`there is more than one ${what} with ${describe(choice)}: name it by label and id`)
  return object
}

function describe({ label, id }: KeyChoice): string {
  const parts = [label === undefined ? [] : [`label "${label}"`], id === undefined ? [] : [`id ${id}`]]
  return parts.flat().join(' and ')
}
