import { createHash, createPrivateKey, generateKeyPairSync, verify } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { execFileSync } from 'node:child_process'
import { closeSync, fstatSync, openSync, writeSync } from 'node:fs'
import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import type { FileKeyConfig } from '../../../server/config/key-schema.ts'
import { openFileKey } from '../../../server/keys/file-key.ts'
import type { DigestKey } from '../../../server/keys/key.ts'
import { createThreadPool } from '../../../server/threads/pool.ts'
import { WORKER_MODULE } from '../../../server/threads/worker-module.ts'

const pool = createThreadPool({ module: WORKER_MODULE, size: 1, maxWaiting: 10 })
t.teardown(() => pool.close())
const place = { pool, maxWholeBytes: 1000 }
const folder = t.testdir()
let files = 0

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const PASSPHRASE = 'correct horse, battery staple ß'
const PLAIN = privateKey.export({ type: 'pkcs8', format: 'pem' })
const ENCRYPTED = privateKey.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: PASSPHRASE })

async function file(content: string | Buffer, mode = 0o600): Promise<string> {
  files += 1
  const path = join(folder, String(files))
  await writeFile(path, content, { mode })
  return path
}

function configured(path: string, passphraseFile?: string): FileKeyConfig {
  return { keyid: '1001', kind: 'file', path, ...(passphraseFile === undefined ? {} : { passphraseFile }) }
}

/** The only fault of a configuration, with the paths replaced by KEY and PASSPHRASE. */
async function faultOf({ path, passphraseFile, ...rest }: FileKeyConfig): Promise<string> {
  const config = passphraseFile === undefined ? { ...rest, path } : { ...rest, path, passphraseFile }
  const error = await openFileKey(config, place).then(() => { throw new Error('the key was opened') }, (reason: unknown) => reason)
  const { name, faults: [fault = '', ...more] } = error as { name: string; faults: string[] }
  t.strictSame({ name, more }, { name: 'KeyFaults', more: [] })
  for (const secret of [PASSPHRASE, 'wrong guess', PLAIN.split('\n')[1] as string]) t.notMatch(fault, secret)
  return fault.replaceAll(path, 'KEY').replaceAll(passphraseFile ?? 'none', 'PASSPHRASE')
}

void t.test('openFileKey opens', async (t) => {
  void t.test('a plain key, which signs digests that verify with its public key', async (t) => {
    const config = { ...configured(await file(PLAIN, 0o400)), installedPath: '/etc/security/certificates/example.pem' }
    const opened = await openFileKey(config, place)
    const { key, publicKey, ...rest } = opened
    t.strictSame(rest, {
      keyid: '1001', kind: 'file', covers: 'file', algorithm: 'rsa-2048-sha256', signatureBytes: 256, installedPath: '/etc/security/certificates/example.pem',
    })
    const data = Buffer.from('a package')
    const signature = await (key as DigestKey).sign(createHash('sha256').update(data).digest())
    t.ok(Buffer.isBuffer(signature))
    t.ok(verify('sha256', data, publicKey, signature))
    t.equal(publicKey.type, 'public')
  })

  void t.test('an encrypted key with the first line of the passphrase file, whatever its line end', async (t) => {
    for (const content of [PASSPHRASE, `${PASSPHRASE}\n`, `${PASSPHRASE}\r\n`, `${PASSPHRASE}\nnotes\n`]) {
      const opened = await openFileKey(configured(await file(ENCRYPTED), await file(content)), place)
      t.match(opened, { keyid: '1001', algorithm: 'rsa-2048-sha256' })
      t.notOk('installedPath' in opened)
    }
  })

  void t.test('a key with notes around its PEM block', async (t) => {
    t.match(await openFileKey(configured(await file(`Bag Attributes\n${PLAIN}\nend\n`)), place), { algorithm: 'rsa-2048-sha256' })
  })
})

void t.test('openFileKey refuses a file that', async (t) => {
  void t.test('is not there, or is no regular file, without waiting for a FIFO', async (t) => {
    t.equal(await faultOf(configured(join(folder, 'missing'))), 'KEY cannot be opened (ENOENT)')
    t.equal(await faultOf(configured(folder)), 'KEY is not a regular file')
    const fifo = join(folder, 'fifo')
    execFileSync('mkfifo', ['-m', '600', fifo])
    t.equal(await faultOf(configured(fifo)), 'KEY is not a regular file')
  })

  void t.test('group or others may use in any way', async (t) => {
    for (const mode of [0o640, 0o604, 0o620, 0o602, 0o610, 0o601]) {
      const path = await file(PLAIN)
      execFileSync('chmod', [mode.toString(8), path])
      t.equal(await faultOf(configured(path)), `KEY may be used by its group or by others (mode ${mode.toString(8)}): chmod 600 KEY`)
    }
    const [path, passphraseFile] = [await file(ENCRYPTED), await file(PASSPHRASE)]
    execFileSync('chmod', ['644', passphraseFile])
    t.equal(await faultOf(configured(path, passphraseFile)), 'PASSPHRASE may be used by its group or by others (mode 644): chmod 600 PASSPHRASE')
  })

  void t.test('belongs to somebody else than the user of the server and root', async (t) => {
    const path = await file(PLAIN)
    const isRoot = process.getuid?.() === 0
    if (isRoot) await chown(path, 4321, 0)
    const owner = isRoot ? 4321 : process.getuid?.()
    t.intercept(process, 'geteuid', { value: () => 1234 })
    t.equal(await faultOf(configured(path)), `KEY belongs to user ${owner}; the server runs as user 1234`)
    if (isRoot) t.match(await openFileKey(configured(await file(PLAIN)), place), { keyid: '1001' }, 'a file of root is as good')
  })

  void t.test('is longer than any key', async (t) => {
    t.equal(await faultOf(configured(await file(PLAIN + ' '.repeat(64 * 1024 - PLAIN.length + 1)))), 'KEY has more than 65536 bytes')
    t.match(await openFileKey(configured(await file(PLAIN + ' '.repeat(64 * 1024 - PLAIN.length))), place), { keyid: '1001' })
  })

  void t.test('is not exactly one private key in PKCS#8 PEM form', async (t) => {
    const want = 'KEY is not one private key in PKCS#8 PEM form (BEGIN PRIVATE KEY or BEGIN ENCRYPTED PRIVATE KEY)'
    const publicPem = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ type: 'spki', format: 'pem' })
    const contents = [
      '', 'text', '-----BEGIN ', `-----BEGIN ${'X'.repeat(100)}-----`, PLAIN + PLAIN, publicPem, privateKey.export({ type: 'pkcs8', format: 'der' }),
    ]
    for (const content of contents) t.equal(await faultOf(configured(await file(content))), want)
  })

  void t.test('has the key in another form, and tells how to convert it', async (t) => {
    t.equal(
      await faultOf(configured(await file(privateKey.export({ type: 'pkcs1', format: 'pem' })))),
      'KEY is in PKCS#1 form; make PKCS#8 of it: openssl pkcs8 -topk8 -v2 aes-256-cbc -in KEY -out NEW',
    )
    t.equal(
      await faultOf(configured(await file('-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n'))),
      'KEY is in OpenSSH form; make PKCS#8 of a copy: ssh-keygen -p -m PKCS8 -f COPY',
    )
  })

  void t.test('is damaged', async (t) => {
    t.equal(await faultOf(configured(await file(PLAIN.replace('\nMII', '\nMIJ')))), 'KEY is damaged: no private key can be read from it')
    t.equal(await faultOf(configured(await file(keyWithForeignExponent()))), 'the key in KEY is damaged: what it signs does not verify')
  })

  void t.test('has a key the server does not sign with', async (t) => {
    const rows = [
      [generateKeyPairSync('ec', { namedCurve: 'P-384' }), 'is an EC key on the curve secp384r1; P-256 (prime256v1) is needed'],
      [generateKeyPairSync('ed448'), 'is of type ed448; an RSA, ECDSA P-256, Ed25519 or ML-DSA-65 key is needed'],
      [generateKeyPairSync('ml-dsa-44'), 'is of type ml-dsa-44; an RSA, ECDSA P-256, Ed25519 or ML-DSA-65 key is needed'],
      [generateKeyPairSync('rsa', { modulusLength: 1024 }), 'has 1024 bits; 2048, 3072 or 4096 are needed'],
    ] as const
    for (const [pair, fault] of rows) {
      t.equal(await faultOf(configured(await file(pair.privateKey.export({ type: 'pkcs8', format: 'pem' })))), `the key in KEY ${fault}`)
    }
  })
})

void t.test('openFileKey refuses a passphrase that', async (t) => {
  void t.test('is missing, or not needed', async (t) => {
    t.equal(await faultOf(configured(await file(ENCRYPTED))), 'KEY is encrypted: name a passphraseFile or a passphraseFd')
    t.equal(
      await faultOf(configured(await file(PLAIN), await file(PASSPHRASE))),
      'KEY is not encrypted, although there is a passphraseFile: encrypt it, or remove passphraseFile',
    )
  })

  void t.test('is empty, too long, or wrong', async (t) => {
    const key = await file(ENCRYPTED)
    for (const content of ['', '\n', '\r\n', `\n${PASSPHRASE}\n`]) {
      t.equal(await faultOf(configured(key, await file(content))), 'the first line of PASSPHRASE is empty; it must be the passphrase')
    }
    t.match(await faultOf(configured(key, await file('x'.repeat(1025)))), 'the first line of PASSPHRASE has more than 1024 bytes')
    for (const content of ['wrong guess', ` ${PASSPHRASE}`, `${PASSPHRASE} \n`, 'x'.repeat(1024)]) {
      const want = 'KEY cannot be decrypted: the first line of PASSPHRASE is not its passphrase, the file is damaged, or its encryption is outdated'
      t.equal(await faultOf(configured(key, await file(content))), want)
    }
  })
})

void t.test('openFileKey reads a passphrase from a descriptor', async (t) => {
  const key = await file(ENCRYPTED)
  const withFd = (passphraseFd: number, path = key): FileKeyConfig => ({ keyid: '1001', kind: 'file', path, passphraseFd })
  const isClosed = (fd: number) => { t.throws(() => fstatSync(fd), { code: 'EBADF' }, 'which is closed afterwards') }

  void t.test('of a file, a pipe or a socket, to its end', async (t) => {
    const fromFile = openSync(await file(`${PASSPHRASE}\n`), 'r')
    t.match(await openFileKey(withFd(fromFile), place), { keyid: '1001' })
    isClosed(fromFile)
    const fifo = join(folder, 'passphrase-fifo')
    execFileSync('mkfifo', [fifo])
    const [writer, fromPipe] = [openSync(fifo, 'r+'), openSync(fifo, 'r')]
    const opening = openFileKey(withFd(fromPipe), place)
    writeSync(writer, PASSPHRASE.slice(0, 5))
    writeSync(writer, `${PASSPHRASE.slice(5)}\nmore\n`)
    closeSync(writer)
    t.match(await opening, { keyid: '1001' })
    isClosed(fromPipe)
  })

  void t.test('and refuses one that holds something else, or is open on nothing that could hold one', async (t) => {
    const faultWith = async (fd: number, path = key): Promise<string> => {
      const error = await openFileKey(withFd(fd, path), place).then(() => new Error('the key was opened'), (reason: unknown) => reason)
      return (error as { faults: string[] }).faults.join().replaceAll(path, 'KEY').replaceAll(`descriptor ${fd}`, 'descriptor N')
    }
    const opened = async (content: string) => openSync(await file(content), 'r')
    t.equal(await faultWith(await opened('wrong guess')), 'KEY cannot be decrypted: the first line of descriptor N is not its passphrase, the file is damaged, or its encryption is outdated')
    t.equal(await faultWith(await opened('')), 'the first line of descriptor N is empty; it must be the passphrase')
    t.equal(await faultWith(await opened('x'.repeat(65_537))), 'descriptor N has more than 65536 bytes')
    t.equal(await faultWith(openSync(folder, 'r')), 'descriptor N is open on no file, pipe or socket')
    const closed = await opened('x')
    closeSync(closed)
    t.equal(await faultWith(closed), 'descriptor N cannot be read (EBADF); whoever starts the server opens it')
    t.equal(await faultWith(77, await file(PLAIN)), 'KEY is not encrypted, although there is a passphraseFd: encrypt it, or remove passphraseFd', 'a plain key leaves it alone')
  })
})

/** A key that reads well and signs wrongly: its private exponent belongs to another modulus. */
function keyWithForeignExponent(): string {
  const foreign = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ format: 'jwk' })
  const { d, dp, dq } = foreign as Record<'d' | 'dp' | 'dq', string>
  const key: KeyObject = createPrivateKey({ key: { ...privateKey.export({ format: 'jwk' }), d, dp, dq }, format: 'jwk' })
  return key.export({ type: 'pkcs8', format: 'pem' })
}
