// Loaded into Node by `stagesim run --offline` (NODE_OPTIONS=--require): what would connect to another machine
// connects to the proxy in STAGESIM_PROXY instead, which sees by TLS's server name and the Host field whom it is for.
// STAGESIM_DIRECT lists the addresses to which connections are left alone, HOST:PORT or 'loopback' for all of those.
'use strict'
const net = require('node:net')

const proxy = process.env.STAGESIM_PROXY ? new URL(process.env.STAGESIM_PROXY) : null
const loopback = /^(localhost|.*\.localhost|127(\.\d+){3}|::1|\[::1\])$/i
const direct = (process.env.STAGESIM_DIRECT || '').split(',')
const connect = net.Socket.prototype.connect

function isDirect (host, port) {
  const name = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host
  return direct.includes(`${name}:${port}`) || (direct.includes('loopback') && loopback.test(host))
}

if (proxy) {
  net.Socket.prototype.connect = function (...args) {
    const given = Array.isArray(args[0]) ? args[0] : net._normalizeArgs(args)
    const { host, path, port } = given[0]
    if (!path && !isDirect(host || 'localhost', port)) {
      given[0] = { ...given[0], host: proxy.hostname, port: Number(proxy.port) }
    }
    return connect.call(this, given)
  }
}
