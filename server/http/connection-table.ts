import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'

/** Where a connection comes from. */
export type Peer = Readonly<{ address: string | undefined; port: number | undefined }>

/** The connections of one port, from their first packet on: also those that TLS has not accepted yet, or never will. */
export type ConnectionTable = Readonly<{
  open(): number
  add(socket: Socket): void
  /** Where a connection comes, or came, from: a refused one is closed before it is reported. */
  peerOf(socket: Socket): Peer
  /** Counts an answer as running until it is closed. */
  begin(response: ServerResponse): void
  /** Whether part of an answer is on its way, so that nothing else may be written. */
  isAnswering(socket: Socket): boolean
  /** Closes every connection on which no request runs. */
  closeIdle(): void
  closeAll(): void
}>

type Connection = Readonly<{ peer: Peer; responses: Set<ServerResponse> }>

export function createConnectionTable(): ConnectionTable {
  const open = new Set<Socket>()
  const known = new WeakMap<Socket, Connection>()
  const find = (socket: Socket): Connection => known.get(below(socket)) ?? { peer: readPeer(socket), responses: new Set() }
  return {
    open: () => open.size,
    add: (socket) => {
      open.add(socket)
      known.set(socket, { peer: readPeer(socket), responses: new Set() })
      socket.once('close', () => open.delete(socket))
    },
    peerOf: (socket) => find(socket).peer,
    begin: (response) => {
      const { responses } = find(response.req.socket)
      responses.add(response)
      response.once('close', () => responses.delete(response))
    },
    isAnswering: (socket) => [...find(socket).responses].some(({ headersSent }) => headersSent),
    closeIdle: () => {
      for (const socket of open) if (find(socket).responses.size === 0) socket.destroy()
    },
    closeAll: () => {
      for (const socket of open) socket.destroy()
    },
  }
}

/** The TCP connection below a TLS connection. Node shows it nowhere else; without it a line of the log would lack an address. */
function below(socket: Socket & Readonly<{ _parent?: Socket | null }>): Socket {
  return socket._parent ?? socket
}

function readPeer({ remoteAddress, remotePort }: Socket): Peer {
  return { address: remoteAddress, port: remotePort }
}
