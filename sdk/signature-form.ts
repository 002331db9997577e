import { DSB_EYE_CATCHER, parseDsb, parseDscScript, parseSignatureFile } from '../formats/index.ts'
import type { GivenSignature, SignatureForm } from './generated/schema.ts'
import type { SignatureFile } from './verify-offline.ts'

/** The lengths of raw signatures: RSA of 2048, 3072 and 4096 bits, Ed25519, ML-DSA-65. */
const RAW_BYTES: ReadonlySet<number> = new Set([256, 384, 512, 64, 3309])

/**
 * Returns the form of a signature file where its content leaves no doubt: it starts or reads like one of the forms, or is binary and
 * exactly as long as a raw signature, or the DER of one by ECDSA. Undefined where only a person can say.
 */
export function guessForm(bytes: Buffer): SignatureForm | undefined {
  if (bytes.toString('latin1', 0, DSB_EYE_CATCHER.length) === DSB_EYE_CATCHER) return reads(() => parseDsb(bytes, { keyDirectory: false })) ? 'dsb' : undefined
  if (reads(() => parseSignatureFile(bytes))) return 'record'
  if (reads(() => parseDscScript(bytes))) return 'dsc'
  const isText = bytes.every((byte) => (byte >= 0x20 && byte < 0x7f) || byte === 0x09 || byte === 0x0a || byte === 0x0d)
  return (RAW_BYTES.has(bytes.length) && !isText) || isEcdsa(bytes) ? 'sig' : undefined
}

/** SEQUENCE { INTEGER, INTEGER }, of at most 33 bytes each. @see RFC 3279, section 2.2.3 */
function isEcdsa(bytes: Buffer): boolean {
  const [tag, length, first, firstBytes = 0] = bytes
  return bytes.length <= 72 && tag === 0x30 && length === bytes.length - 2 && first === 0x02 && bytes[4 + firstBytes] === 0x02 && bytes[5 + firstBytes] === bytes.length - 6 - firstBytes
}

/** Returns a signature file as `verify` sends it: base64 for the binary forms, text for the others. */
export function givenSignature({ form, bytes }: SignatureFile): GivenSignature {
  const isBinary = form === 'sig' || form === 'dsb'
  return { form, value: Buffer.from(bytes).toString(isBinary ? 'base64' : 'utf8') }
}

function reads(parse: () => unknown): boolean {
  try {
    parse()
    return true
  } catch {
    return false
  }
}
