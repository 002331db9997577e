import { DSB_KEY_DIRECTORY } from '../../formats/index.ts'
import type { Acceptance, AcceptedBy, SigningAlgorithm } from '../schemas/key.ts'
import type { OpenedKey } from './key.ts'

const yes = (because: string): Acceptance => ({ verdict: 'yes', because })
const no = (because: string): Acceptance => ({ verdict: 'no', because })
const unknown = (because: string): Acceptance => ({ verdict: 'unknown', because })

const PLAIN_DGST = yes('openssl dgst -sha256 -verify knows it')
const NO_RECORDS = no('the catalogue carries RSA signatures, and no record is made with another')
const NO_BLOCK = no('a block carries an RSA signature, and none is made with another')

const rsaCatalogue = (characters: number) => unknown(`its ${characters} characters fit the field, which has 1023; which bytes AIX wants signed is not published`)
const rsa = (characters: number, block73: Acceptance): AcceptedBy => ({
  'aix-7.2-tl4-dsc': rsaCatalogue(characters),
  'aix-7.2-tl4-dsb': unknown('the block is documented for AIX 7.3; of 7.2 there is a manual page alone'),
  'aix-7.3-dsc': rsaCatalogue(characters),
  'aix-7.3-dsb': block73,
  'openssl-1.0.2': PLAIN_DGST,
})
const other = (openssl: Acceptance): AcceptedBy => ({ 'aix-7.2-tl4-dsc': NO_RECORDS, 'aix-7.2-tl4-dsb': NO_BLOCK, 'aix-7.3-dsc': NO_RECORDS, 'aix-7.3-dsb': NO_BLOCK, 'openssl-1.0.2': openssl })

/** Who accepts what by its algorithm alone. docs/acceptance.md has the same table with its sources; a test compares the two. */
export const ACCEPTANCE: Readonly<Record<SigningAlgorithm, AcceptedBy>> = {
  'rsa-2048-sha256': rsa(344, yes('the published block holds such a signature and the path of its key')),
  'rsa-3072-sha256': rsa(512, unknown('no published block holds one; it is padded with NULs')),
  'rsa-4096-sha256': rsa(684, unknown('no published dump shows one; a package of IBM is as long as such a block makes it')),
  'ecdsa-p256-sha256': other(PLAIN_DGST),
  ed25519: other(no('OpenSSL knows it since 1.1.1')),
  'ml-dsa-65': other(no('OpenSSL knows it since 3.5')),
}

/**
 * Returns who will accept signatures of a key, in the form that each of them takes: `yes` where that is published or certain, `no` where
 * it cannot be, and otherwise `unknown`; never a guess. It says nothing about keys that are not installed, or expired.
 */
export function acceptanceOf({ algorithm, covers, installedPath }: Pick<OpenedKey, 'algorithm' | 'covers' | 'installedPath'>): AcceptedBy {
  const row = ACCEPTANCE[algorithm]
  if (covers === 'unverified') return { ...row, 'openssl-1.0.2': NOT_KNOWN, 'aix-7.3-dsb': NOT_KNOWN }
  if (row['aix-7.3-dsb'].verdict === 'no') return row
  if (installedPath === undefined) return { ...row, 'aix-7.3-dsb': NOT_INSTALLED, 'aix-7.2-tl4-dsb': NOT_INSTALLED }
  return installedPath.startsWith(DSB_KEY_DIRECTORY) ? row : { ...row, 'aix-7.3-dsb': ELSEWHERE }
}

const NOT_KNOWN = unknown('what the wrapped command signs is not known')
const NOT_INSTALLED = no('a block names where the public key lies, and the configuration has no installedPath')
const ELSEWHERE = unknown(`whether AIX looks for keys outside ${DSB_KEY_DIRECTORY} is not published`)
