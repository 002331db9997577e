// Made from openapi.yaml by cli/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.

import type { CommandOperation } from '../command-table.ts'

/** Every operation of the document as a command. */
export const COMMANDS = [
  {
    "operation": "sign",
    "word": "sign",
    "summary": "Sign packages",
    "description": "Signs one package file, or every package of a directory in name order. With `Accept: application/x-ndjson` the outcomes arrive as files finish, one event a line.",
    "arguments": [
      {
        "name": "path",
        "type": "string",
        "required": true,
        "description": "Absolute path of a file or directory that the server can read, inside a root this client may use."
      }
    ],
    "flags": [
      {
        "name": "keyid",
        "type": "string",
        "required": false,
        "description": "Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits."
      },
      {
        "name": "recursive",
        "type": "boolean",
        "required": false,
        "description": "Descend into subdirectories; names are then relative to `path`."
      }
    ]
  },
  {
    "operation": "listFiles",
    "word": "files",
    "summary": "List files",
    "description": "Lists a directory in name order, a page at a time; a path to a file lists that file; without a path the roots of this client by name.",
    "arguments": [
      {
        "name": "path",
        "type": "string",
        "required": false,
        "description": "A directory or a file; without it the roots of this client by name."
      }
    ],
    "flags": [
      {
        "name": "limit",
        "type": "integer",
        "required": false,
        "description": "How many entries to answer with at the most."
      },
      {
        "name": "cursor",
        "type": "string",
        "required": false,
        "description": "`nextCursor` of the answer before."
      }
    ]
  },
  {
    "operation": "getSignature",
    "word": "signatures",
    "summary": "Get a signature",
    "description": "Answers with a signature that was made for this client.",
    "arguments": [
      {
        "name": "id",
        "type": "string",
        "required": true,
        "description": "The `id` of the signature."
      }
    ],
    "flags": []
  },
  {
    "operation": "listKeys",
    "word": "keys",
    "summary": "List keys",
    "description": "Answers with the public part of every key this client may use.",
    "arguments": [],
    "flags": []
  },
  {
    "operation": "getKey",
    "word": "keys",
    "summary": "Get a key",
    "description": "Answers with the public part of one key.",
    "arguments": [
      {
        "name": "keyid",
        "type": "string",
        "required": true,
        "description": "Identifier of the key that checks the record: `dsc_key.id` on AIX, one to ten decimal digits."
      }
    ],
    "flags": []
  },
  {
    "operation": "whoami",
    "word": "whoami",
    "summary": "Who am I",
    "description": "Answers with who the server takes this client for, and what it may do. Every listed client may ask.",
    "arguments": [],
    "flags": []
  },
] as const satisfies readonly CommandOperation[]
