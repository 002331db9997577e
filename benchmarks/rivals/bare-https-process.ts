import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { serve } from '../harness/peer.ts'
import type { BareTask } from './bare-https.ts'

serve(async (task) => {
  const { tls, body, headers } = task as BareTask
  const options = { cert: readFileSync(tls.cert), key: readFileSync(tls.key), ca: readFileSync(tls.clientCa), crl: readFileSync(tls.crl), requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.3' } as const
  const server = createServer(options, (request, response) => {
    if (request.method === 'GET') {
      response.writeHead(200, { ...headers, 'content-length': Buffer.byteLength(body) }).end(body)
      return
    }
    let bytes = 0
    request.on('data', (chunk: Buffer) => (bytes += chunk.length))
    request.on('end', () => {
      const text = JSON.stringify({ bytes })
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': text.length }).end(text)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return (server.address() as AddressInfo).port
})
