/**
 * The process that a PKCS#11 token is used in: the only place where a vendor's library and its PIN are. A crash of that library is the
 * end of this process, and not of the server. It serves the keys of one token, is told which by the first message, and ends with the
 * server, however that ends. Signals that a terminal or a service manager sends to everybody it ignores: the server decides when it ends.
 */
import { Worker } from 'node:worker_threads'
import { nameOf } from './pkcs11-cryptoki.ts'
import { loadCryptoki } from './pkcs11-load.ts'
import type { TokenError } from './pkcs11-login.ts'
import type { TokenAnswer, TokenOpening, TokenRequest } from './pkcs11-protocol.ts'
import { openToken } from './pkcs11-token.ts'
import type { Token } from './pkcs11-token.ts'

/** Ends the process when its standard input ends, which is when the server does. In a thread, for the library may block this one for ever. */
const WATCH = "new (require('node:net').Socket)({ fd: 0 }).on('error', () => {}).on('close', () => process.kill(process.pid, 'SIGKILL')).resume()"

let token: Token | undefined

function answer(message: TokenAnswer): void {
  // A failed send means that the server is gone, and then this process ends.
  process.send?.(message, undefined, undefined, () => {})
}

async function open(opening: TokenOpening): Promise<void> {
  try {
    token = await openToken(loadCryptoki(opening.module), opening, answer)
    answer({ kind: 'opened', keys: token.keys, pinFault: token.pinFault })
  } catch (error) {
    answer({ kind: 'refused', fault: nameOf(error) })
  }
}

async function sign({ id, key, digestInfoBase64 }: Extract<TokenRequest, { kind: 'sign' }>): Promise<void> {
  try {
    const signature = await (token as Token).sign(key, Buffer.from(digestInfoBase64, 'base64'))
    answer({ kind: 'signed', id, signatureBase64: signature.toString('base64') })
  } catch (error) {
    // Nothing else is thrown there.
    answer({ kind: 'failed', id, failure: (error as TokenError).failure })
  }
}

function close(): void {
  try {
    token?.close()
  } finally {
    process.exit()
  }
}

process.umask(0o077)
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})
const watch = new Worker(WATCH, { eval: true, env: {}, execArgv: [] })
watch.unref()
process.on('disconnect', () => process.exit())
process.on('message', (request: TokenRequest) => {
  switch (request.kind) {
    case 'open':
      return void open(request.opening)
    case 'sign':
      return void sign(request)
    case 'close':
      return close()
  }
})
