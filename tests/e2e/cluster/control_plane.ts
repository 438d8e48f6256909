/** etcd, API server, controller manager and scheduler on loopback. */
import { generateKeyPairSync } from "node:crypto";
import { existsSync } from "node:fs";
import { ADMIN, CONTROL, KUBERNETES, PORT } from "./places.ts";
import { run, startDaemon, stopDaemon, untilServes } from "./processes.ts";

const ETCD = PORT + 1;
/** The controllers' own limits are for clusters with thousands of nodes. */
const FAST = ["--kube-api-qps", "500", "--kube-api-burst", "1000"];

/** Starts what doesn't run, and waits until the API server is ready for pods. */
export async function startControlPlane(nodes: readonly string[]): Promise<void> {
  Deno.mkdirSync(`${CONTROL}/pki`, { recursive: true });
  makeIdentities(nodes);
  // The API server reaches a kubelet by its node's name.
  Deno.writeTextFileSync(`${CONTROL}/hosts`, `127.0.0.1 localhost ${nodes.join(" ")}\n`);
  startEtcd();
  startApiServer();
  await untilServes(CONTROL, "kube-apiserver", () => ask("/readyz"));
  startDaemon(CONTROL, "kube-controller-manager", [
    `${KUBERNETES}/kube-controller-manager`,
    ...["--kubeconfig", ADMIN, "--secure-port", "0", "--leader-elect=false", ...FAST],
    ...["--service-account-private-key-file", "pki/sa.key", "--root-ca-file", "pki/apiserver.crt"],
    ...["--concurrent-gc-syncs", "20"],
    // A machine that is emulated or very busy isn't taken for a dead one.
    ...["--node-monitor-grace-period", "10m"],
  ]);
  startDaemon(CONTROL, "kube-scheduler", [
    `${KUBERNETES}/kube-scheduler`,
    ...["--kubeconfig", ADMIN, "--secure-port", "0", "--leader-elect=false", ...FAST],
  ]);
  // The controller manager makes it, and no pod is admitted before.
  await untilServes(
    CONTROL,
    "kube-controller-manager",
    () => ask("/api/v1/namespaces/default/serviceaccounts/default"),
  );
}

export async function stopControlPlane(): Promise<void> {
  await Promise.all(["kube-scheduler", "kube-controller-manager"].map((name) => stopDaemon(CONTROL, name)));
  await stopDaemon(CONTROL, "kube-apiserver");
  await stopDaemon(CONTROL, "etcd");
}

/**
 * What the API server answers to a GET, as to who may do everything; throws what it says unless that is well. For what is
 * asked again and again: starting kubectl each time would be most of what a slow machine does.
 */
export async function ask(path: string): Promise<string> {
  const caCerts = [Deno.readTextFileSync(`${CONTROL}/pki/apiserver.crt`)];
  const { users: [{ user: { token } }] } = JSON.parse(Deno.readTextFileSync(ADMIN));
  using client = Deno.createHttpClient({ caCerts });
  const headers = { authorization: `Bearer ${token}` };
  const answer = await fetch(`https://127.0.0.1:${PORT}${path}`, { client, headers });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${path}: ${text}`);
  return text;
}

/** Runs kubectl as who may do everything. */
export async function kubectl(...args: readonly string[]): Promise<string> {
  return await run(`${KUBERNETES}/kubectl`, ["--kubeconfig", ADMIN, ...args]);
}

function startEtcd(): void {
  const [client, peer] = [ETCD, ETCD + 1].map((port) => `http://127.0.0.1:${port}`);
  startDaemon(CONTROL, "etcd", [
    `${KUBERNETES}/etcd`,
    ...["--data-dir", `${CONTROL}/etcd`, "--unsafe-no-fsync", "--initial-cluster", `default=${peer}`],
    ...["--listen-client-urls", `${client}`, "--advertise-client-urls", `${client}`],
    ...["--listen-peer-urls", `${peer}`, "--initial-advertise-peer-urls", `${peer}`],
  ]);
}

function startApiServer(): void {
  const ownHosts = 'mount --bind hosts /etc/hosts && exec "$@"';
  startDaemon(CONTROL, "kube-apiserver", [
    ...["unshare", "--mount", "--propagation", "private", "sh", "-c", ownHosts, "sh"],
    `${KUBERNETES}/kube-apiserver`,
    ...["--etcd-servers", `http://127.0.0.1:${ETCD}`, "--allow-privileged"],
    ...["--bind-address", "127.0.0.1", "--advertise-address", "127.0.0.1", "--secure-port", `${PORT}`],
    // It makes a certificate for 127.0.0.1 there.
    ...["--cert-dir", `${CONTROL}/pki`, "--token-auth-file", "pki/tokens.csv"],
    ...["--authorization-mode", "Node,RBAC", "--anonymous-auth=false"],
    ...["--service-cluster-ip-range", "10.0.0.0/24", "--endpoint-reconciler-type", "none"],
    ...["--kubelet-preferred-address-types", "Hostname"],
    ...["--service-account-issuer", "https://kubernetes.default.svc"],
    ...["--service-account-key-file", "pki/sa.key", "--service-account-signing-key-file", "pki/sa.key"],
  ]);
}

/** A key for service accounts, and a token and a kubeconfig for the administrator and for each node. */
function makeIdentities(nodes: readonly string[]): void {
  if (existsSync(`${CONTROL}/pki/tokens.csv`)) return;
  const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
  write(`${CONTROL}/pki/sa.key`, privateKey.export({ type: "pkcs8", format: "pem" }) as string);
  const users = [{ user: "admin", file: "admin", group: "system:masters" }].concat(
    nodes.map((node) => ({ user: `system:node:${node}`, file: node, group: "system:nodes" })),
  );
  const lines = users.map(({ user, file, group }) => {
    const token = crypto.randomUUID();
    write(`${CONTROL}/${file}.conf`, JSON.stringify(kubeconfig(token)));
    return `${token},${user},${user},"${group}"\n`;
  });
  write(`${CONTROL}/pki/tokens.csv`, lines.join(""));
}

function write(path: string, text: string): void {
  Deno.writeTextFileSync(path, text, { mode: 0o600 });
}

function kubeconfig(token: string) {
  const cluster = {
    server: `https://127.0.0.1:${PORT}`,
    "certificate-authority": `${CONTROL}/pki/apiserver.crt`,
  };
  return {
    apiVersion: "v1",
    kind: "Config",
    "current-context": "e2e",
    contexts: [{ name: "e2e", context: { cluster: "e2e", user: "e2e" } }],
    clusters: [{ name: "e2e", cluster }],
    users: [{ name: "e2e", user: { token } }],
  };
}
