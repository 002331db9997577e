import { readFileSync } from 'node:fs'
import t from 'tap'
import { FORMAT_ERROR_CODES, FormatError } from '../../formats/error.ts'
import * as formats from '../../formats/index.ts'

/** What the log publishes; the rest is what packages and signatures do. */
const LOG_NAMES = [
  'ENTRY_BYTES_MAX', 'HASH_BYTES', 'NOTE_BYTES_MAX', 'PROOF_BYTES_MAX', 'TILE_WIDTH', 'appendLeaves', 'consistencyNodes', 'consistencyProof', 'createTileReader', 'emptyRange', 'formatBundle',
  'formatCheckpoint', 'formatEntry', 'formatNote', 'formatProof', 'formatTilePath', 'formatVerifierKey', 'hashLeaf', 'hashNode', 'inclusionNodes', 'inclusionProof', 'makeVerifierKey', 'openCheckpoint',
  'parseBundle', 'parseCheckpoint', 'parseEntry', 'parseNote', 'parseProof', 'parseTile', 'parseTilePath', 'parseVerifierKey', 'rangeNodes', 'rangeRoot', 'readRange', 'signCheckpoint', 'signText', 'signatureEntry',
  'tileInTree', 'tilesOfNodes', 'tilesOfTree', 'verifyConsistency', 'verifyInclusion', 'verifyNote', 'verifyProof',
]

void t.test('the published names are exactly these', async (t) => {
  t.strictSame(Object.keys(formats).filter((name) => !LOG_NAMES.includes(name)).sort(), [
    'DSB_BYTES_MAX', 'DSB_EYE_CATCHER', 'DSB_KEY_DIRECTORY', 'DSB_TAIL_BYTES', 'FORMAT_ERROR_CODES', 'FORMAT_HEAD_BYTES', 'FormatError',
    'NAME_BYTES_MAX', 'SHA256_DIGEST_INFO_PREFIX', 'SIGNATURE_FILE_HEADER', 'SIGNATURE_FILE_RECORDS_MAX', 'VRMF_PART_MAX', 'bffChunks',
    'checkFtype', 'checkName', 'createBffReader', 'createPackageScanner', 'encodeDigestInfo', 'findDsb', 'formatDsb',
    'formatDscScript', 'formatDscStanzas', 'formatLppName', 'formatSignatureFile', 'formatSignatureRecord', 'formatVrmf', 'messageAlgorithm', 'normaliseVrmf',
    'packageChunks', 'parseDsb', 'parseDscScript', 'parseDscStanzas', 'parseLppName', 'parseSignatureFile', 'parseVrmf', 'recogniseFormat', 'recoverDigest',
    'verifyMessage', 'verifySignature', 'writeBff', 'writePackage',
  ])
  for (const name of LOG_NAMES) t.ok(name in formats, name)
})

void t.test('a format error has its code, and an offset only where there is one', async (t) => {
  const error = new FormatError('BFF_TRUNCATED', 'the package ends', { offset: 7 })
  t.ok(error instanceof Error)
  t.match(error, { name: 'FormatError', code: 'BFF_TRUNCATED', message: 'the package ends', offset: 7 })
  t.notOk('offset' in new FormatError('VRMF_MALFORMED', 'no offset'))
})

void t.test('every error code is distinct and thrown somewhere', async (t) => {
  t.equal(new Set(FORMAT_ERROR_CODES).size, FORMAT_ERROR_CODES.length)
  const folder = new URL('../../formats/', import.meta.url)
  const files = ['bff-record', 'bff-steps', 'bff-trailer', 'bff', 'lpp-name', 'name', 'scan', 'unpack', 'vrmf'].map((name) => `installp/${name}.ts`)
  const signatures = ['file', 'dsb', 'dsb-find', 'dsb-key', 'dsc'].map((name) => `signature/${name}.ts`)
  const log = ['bundle', 'checkpoint', 'entry', 'merkle-proof', 'note', 'proof', 'tile', 'verifier-key'].map((name) => `log/${name}.ts`)
  const source = [...files, ...signatures, ...log].map((name) => readFileSync(new URL(name, folder), 'utf8')).join('\n')
  for (const code of FORMAT_ERROR_CODES) t.ok(source.includes(`'${code}'`), code)
})
