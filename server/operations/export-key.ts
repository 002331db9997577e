import { SigningError } from '../errors.ts'
import type { Keyring } from '../keys/key.ts'
import type { KeyForm } from '../schemas/key.ts'
import { chooseKey, type Caller } from './caller.ts'
import type { Exported } from './export-signature.ts'

/**
 * Returns what must be installed of a key on the targets: `public.pem`, what `openssl dgst -verify` and a Digital Signature Block
 * want, or `certificate.pem`, where the configuration names one.
 * @throws SigningError `KEY_NOT_AVAILABLE`, `FORM_NOT_AVAILABLE`
 */
export function exportKey({ keyring }: Readonly<{ keyring: Keyring }>, caller: Caller, { keyid, form }: Readonly<{ keyid: string; form: KeyForm }>): Exported {
  const { publicKey, certificatePem } = chooseKey(caller, keyring, keyid)
  switch (form) {
    case 'public.pem':
      return { bytes: Buffer.from(publicKey.export({ type: 'spki', format: 'pem' })), filename: `${keyid}.public.pem`, mediaType: 'application/x-pem-file' }
    case 'certificate.pem':
      if (certificatePem === undefined) throw new SigningError('FORM_NOT_AVAILABLE', `the configuration names no certificate of key ${keyid}`)
      return { bytes: Buffer.from(certificatePem), filename: `${keyid}.certificate.pem`, mediaType: 'application/x-pem-file' }
  }
}
