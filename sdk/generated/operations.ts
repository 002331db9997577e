// Made from openapi.yaml by sdk/generate.ts. Do not edit: change the routes of the server, then `npm run generate`.

/** How each operation of the document is called, by its operationId. */
export const OPERATIONS = {
  sign: {
    method: "POST",
    path: "/sign",
    parameters: [{"name":"filename","in":"query","required":false},{"name":"keyid","in":"query","required":false}],
    requestMediaTypes: ["application/json","application/octet-stream"],
    answerMediaTypes: ["application/json","application/x-ndjson"],
  },
  listFiles: {
    method: "GET",
    path: "/files",
    parameters: [{"name":"path","in":"query","required":false},{"name":"limit","in":"query","required":false},{"name":"cursor","in":"query","required":false}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  verify: {
    method: "POST",
    path: "/verify",
    parameters: [{"name":"filename","in":"query","required":false},{"name":"form","in":"query","required":false},{"name":"value","in":"query","required":false}],
    requestMediaTypes: ["application/json","application/octet-stream"],
    answerMediaTypes: ["application/json"],
  },
  getSignature: {
    method: "GET",
    path: "/signatures/{id}",
    parameters: [{"name":"id","in":"path","required":true}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  exportSignature: {
    method: "GET",
    path: "/signatures/{id}/{form}",
    parameters: [{"name":"id","in":"path","required":true},{"name":"form","in":"path","required":true}],
    requestMediaTypes: [],
    answerMediaTypes: ["text/plain","application/octet-stream","text/x-shellscript"],
  },
  listKeys: {
    method: "GET",
    path: "/keys",
    parameters: [],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  getKey: {
    method: "GET",
    path: "/keys/{keyid}",
    parameters: [{"name":"keyid","in":"path","required":true}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
  exportKey: {
    method: "GET",
    path: "/keys/{keyid}/{form}",
    parameters: [{"name":"keyid","in":"path","required":true},{"name":"form","in":"path","required":true}],
    requestMediaTypes: [],
    answerMediaTypes: ["application/x-pem-file"],
  },
  whoami: {
    method: "GET",
    path: "/whoami",
    parameters: [],
    requestMediaTypes: [],
    answerMediaTypes: ["application/json"],
  },
} as const
