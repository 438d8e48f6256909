/** The scripts for clusters and nodes, with stand-ins for kubectl, make, systemctl and ssh; for real: tests/system/delivery. */
import assert from "node:assert/strict";
import { Stubs } from "../../kit/stubbed_script.ts";

const ROOT = new URL("../../..", import.meta.url).pathname;
const { version } = JSON.parse(Deno.readTextFileSync(`${ROOT}deno.json`)) as { version: string };
const isRoot = Deno.uid() === 0;

/** A kubectl that renders as the real one would, as far as names count. */
const KUBECTL = `case "$*" in
  kustomize*) cat ${ROOT}deploy/manifests/{configmap,daemonset}.yaml ;;
  *jsonpath={.metadata.generation}*) echo -n "\${GENERATION-1}" ;;
  *release-namespace*) echo -n "\${BY_HELM-}" ;;
  *jsonpath=*initContainers*) echo -n "\${SIDE_CARS-}" ;;
  *jsonpath=*image*) echo -n "\${DEPLOYED-}" ;;
  *"rollout status"*) exit "\${ROLLOUT-0}" ;;
  apply*) cat >"$HOME/applied" ;;
esac`;

const BUILD = "hack/build-and-deploy.sh";

Deno.test("build-and-deploy builds, pushes and installs under the name that is given, and waits", () => {
  using stubs = new Stubs({ kubectl: KUBECTL, make: "" });
  stubs.file("cluster.yaml", "");
  const args = [
    "--kubeconfig",
    `${stubs.dir}/cluster.yaml`,
    "--registry",
    "r.example/team",
    "--image-name",
    "agent",
  ];
  const { code, calls } = stubs.run(BUILD, [...args, "--debug"]);
  assert.equal(code, 0);
  assert.equal(calls[0], `make image-push REGISTRY=r.example/team IMAGE_NAME=agent IMAGE_TAG=${version}`);
  assert.match(
    calls.join("\n"),
    /\nkubectl apply --filename -\n[^]*rollout restart[^]*\nkubectl .*rollout status/,
  );
  const applied = stubs.read("applied") ?? "";
  assert.match(applied, new RegExp(`image: r\\.example/team/agent:${version}$`, "m"));
  assert.doesNotMatch(applied, /localhost\//);
  assert.match(applied, /level: debug/);
});

Deno.test("build-and-deploy without a registry builds only, and says what the nodes need", () => {
  using stubs = new Stubs({ kubectl: KUBECTL, make: "" });
  const { code, said, calls } = stubs.run(BUILD, []);
  assert.equal(code, 0);
  assert.match(calls[0] ?? "", /^make image REGISTRY= IMAGE_NAME=weka-cpuset/);
  assert.match(said, /without --registry each node needs: ctr -n k8s\.io images import/);
  assert(calls.every((call) => !call.includes("delete")));
});

Deno.test("build-and-deploy --dry-run and --skip-build build nothing, and the first changes nothing", () => {
  using stubs = new Stubs({ kubectl: KUBECTL, make: "" });
  const dry = stubs.run(BUILD, ["--dry-run", "--registry", "r.example"]);
  assert.deepEqual([dry.code, dry.calls], [0, [
    "kubectl kustomize deploy/manifests",
    "kubectl apply --dry-run=server --filename -",
  ]]);
  assert.match(dry.said, /image: r\.example\/weka-cpuset:/);
  const skipped = stubs.run(BUILD, ["--skip-build", "--overlay", "http"]);
  assert(skipped.calls.every((call) => !call.startsWith("make")));
  assert.equal(skipped.calls[0], "kubectl kustomize deploy/http");
});

Deno.test("build-and-deploy fails with the events where the DaemonSet doesn't become ready", () => {
  using stubs = new Stubs({ kubectl: KUBECTL, make: "" });
  const { code, said, calls } = stubs.run(BUILD, ["--skip-build"], { ROLLOUT: "1" });
  assert.equal(code, 1);
  assert.match(calls.join("\n"), /get events --field-selector type=Warning/);
  assert.match(said, /isn't ready; the events above say why/);
});

const UNINSTALL = "hack/uninstall.sh";

Deno.test("uninstall --cluster deletes by our label, then releases the nodes by the image that was there", () => {
  using stubs = new Stubs({ kubectl: KUBECTL });
  const { code, calls } = stubs.run(UNINSTALL, ["--cluster"], { DEPLOYED: "r.example/agent:7" });
  assert.equal(code, 0);
  const changes = calls.filter((call) => /delete|apply/.test(call));
  assert.deepEqual(
    changes.map((call) => call.replace("kubectl ", "").replace("--namespace kube-system ", "")),
    [
      "delete daemonset --selector app=weka-nri-cpuset,app.kubernetes.io/managed-by!=Helm --wait --cascade=foreground",
      "delete configmap,serviceaccount --selector app=weka-nri-cpuset,app.kubernetes.io/managed-by!=Helm",
      "apply --filename -",
      "delete --filename -",
    ],
  );
  const images = stubs.read("applied")?.match(/image: .*/g);
  assert.deepEqual([...new Set(images)], ["image: r.example/agent:7"]);
});

Deno.test("uninstall --cluster changes nothing where there is no DaemonSet of ours, and with --dry-run", () => {
  using stubs = new Stubs({ kubectl: KUBECTL });
  for (const [args, variables] of [[[], {}], [["--dry-run"], { DEPLOYED: "r.example/agent:7" }]] as const) {
    const { code, calls } = stubs.run(UNINSTALL, ["--cluster", ...args], variables);
    assert.deepEqual([code, calls.filter((call) => /delete|apply/.test(call))], [0, []]);
  }
});

Deno.test("uninstall --cluster says it where a node isn't released", () => {
  using stubs = new Stubs({ kubectl: KUBECTL });
  const { code, said } = stubs.run(UNINSTALL, ["--cluster"], { DEPLOYED: "a:1", ROLLOUT: "1" });
  assert.equal(code, 1);
  assert.match(said, /some nodes aren't released: is another agent active there/);
});

/** Two releases, one of them with an image by its digest. */
const BY_HELM = "apps cpus r.example:5000/agent:7\ninfra weka-nri-cpuset r.example/agent@sha256:0123\n";
const HELM = `case $1 in
  list) echo '[{"name":"x","chart":"'"\${CHART_OF-weka-nri-cpuset-0.1.0}"'"}]' ;;
  upgrade) exit "\${ROLLOUT-0}" ;;
esac`;

Deno.test("uninstall --cluster has helm remove each release of the chart, once its nodes are given back", () => {
  using stubs = new Stubs({ kubectl: KUBECTL, helm: HELM });
  const { code, calls, said } = stubs.run(UNINSTALL, ["--cluster"], { BY_HELM });
  assert.equal(code, 0, said);
  const release = "--reset-then-reuse-values --set releaseNodes=true";
  assert.deepEqual(calls.filter((call) => /^helm (?!list)|delete|apply/.test(call)), [
    `helm upgrade cpus deploy/helm/weka-nri-cpuset --namespace apps ${release} --set-string image.tag=7 --wait --timeout 300s`,
    "helm uninstall cpus --namespace apps --wait",
    `helm upgrade weka-nri-cpuset deploy/helm/weka-nri-cpuset --namespace infra ${release} --wait --timeout 300s`,
    "helm uninstall weka-nri-cpuset --namespace infra --wait",
  ]);
  const dry = stubs.run(UNINSTALL, ["--cluster", "--dry-run"], { BY_HELM });
  assert.deepEqual([dry.code, dry.calls.filter((call) => /^helm (?!list)/.test(call))], [0, []]);
  assert.match(dry.said, /^would run: helm uninstall cpus --namespace apps --wait$/m);
});

const STAYS: readonly [why: string, variables: Record<string, string>, sentence: RegExp][] = [
  ["a chart that has ours in it", { CHART_OF: "platform-1.0.0" }, /cpus in the namespace apps is another/],
  [
    "a node that isn't released",
    { ROLLOUT: "1" },
    /cpus in the namespace apps stays\. Where helm has waited/,
  ],
];

for (const [why, variables, sentence] of STAYS) {
  Deno.test(`uninstall --cluster leaves a release and says so: ${why}`, () => {
    using stubs = new Stubs({ kubectl: KUBECTL, helm: HELM });
    const { code, said, calls } = stubs.run(UNINSTALL, ["--cluster"], { BY_HELM, ...variables });
    assert.deepEqual([code, calls.filter((call) => call.startsWith("helm uninstall"))], [1, []]);
    assert.match(said, sentence);
  });
}

Deno.test("uninstall --cluster on a machine without helm says what to run where there is one", () => {
  using stubs = new Stubs({ kubectl: KUBECTL });
  // A checkout without its tools.
  stubs.file(UNINSTALL, Deno.readTextFileSync(`${ROOT}${UNINSTALL}`));
  const { code, said } = stubs.run(UNINSTALL, ["--cluster"], { BY_HELM });
  assert.equal(code, 1);
  assert.match(
    said,
    /no helm on this machine.*: helm upgrade cpus deploy\S+ --namespace apps .* && helm uninstall cpus --namespace apps$/m,
  );
});

Deno.test("uninstall --cluster says that plugins stay on the nodes, where there are any", () => {
  using stubs = new Stubs({ kubectl: KUBECTL });
  for (const names of ["", "host-plugin"]) {
    const { said } = stubs.run(UNINSTALL, ["--cluster"], { DEPLOYED: "a:1", SIDE_CARS: names });
    assert.equal(said.includes("the plugin that it has installed on each node stays"), names !== "");
  }
});

/** A plugin that says that it is ours. */
const OURS = 'case $1 in --version) echo "weka-cpuset 1" ;; install-host-plugin) exit 1 ;; esac';
const PLUGIN = "nri/plugins/99-weka-cpuset";

Deno.test("uninstall --node removes the plugin, waits for containerd's restart, then gives the CPUs back", {
  ignore: !isRoot,
}, () => {
  using stubs = new Stubs({ systemctl: "" });
  const variables = { PLUGIN_ROOT: `${stubs.dir}/nri` };
  stubs.program(PLUGIN, OURS, "plugin");
  stubs.program("nri/plugins/10-other", "", "other");
  const dry = stubs.run(UNINSTALL, ["--node", "--dry-run"], variables);
  assert.equal(dry.code, 0);
  assert(stubs.read(PLUGIN) !== undefined && !dry.calls.some((call) => call.includes("release")));
  assert.doesNotMatch(dry.said, /^removed /m);
  const first = stubs.run(UNINSTALL, ["--node"], variables);
  assert.equal(first.code, 0);
  assert.match(first.said, /stays active until containerd is restarted; after that run this again/);
  assert(!first.calls.some((call) => call.includes("release")));
  assert.equal(stubs.read(PLUGIN), undefined);
  const second = stubs.run(UNINSTALL, ["--node"], variables);
  assert.deepEqual([second.code, second.calls], [0, ["plugin release --yes --wait 60"]]);
  const third = stubs.run(UNINSTALL, ["--node"], variables);
  assert.deepEqual([third.code, third.calls], [0, []]);
  assert.match(third.said, /neither a plugin nor a service of ours/);
  assert.deepEqual([...Deno.readDirSync(`${stubs.dir}/nri/plugins`)].map(({ name }) => name), ["10-other"]);
});

Deno.test("uninstall --node --restart does all of it at once", { ignore: !isRoot }, () => {
  using stubs = new Stubs({ systemctl: "" });
  stubs.program(PLUGIN, OURS, "plugin");
  const { code, calls } = stubs.run(UNINSTALL, ["--node", "--restart", "k3s"], {
    PLUGIN_ROOT: `${stubs.dir}/nri`,
  });
  assert.equal(code, 0);
  assert.deepEqual(calls.slice(-2), ["systemctl restart k3s", "plugin release --yes --wait 60"]);
});

Deno.test("uninstall --node leaves what isn't ours, and doesn't start it", { ignore: !isRoot }, () => {
  using stubs = new Stubs({ systemctl: "" });
  stubs.file(PLUGIN, "#!/bin/sh\ntouch started\n");
  Deno.chmodSync(`${stubs.dir}/${PLUGIN}`, 0o755);
  const { code, said, calls } = stubs.run(UNINSTALL, ["--node"], { PLUGIN_ROOT: `${stubs.dir}/nri` });
  assert.deepEqual([code, calls], [1, []]);
  assert.match(said, /99-weka-cpuset isn't a weka-cpuset of root's; it stays/);
  assert(stubs.read(PLUGIN) !== undefined);
});

const K3S = "hack/k3s-setup.sh";
const ETC = "rancher/k3s/agent/etc/containerd";

/** A checkout with what is installed, and k3s' folders. */
function k3s(): Stubs {
  const stubs = new Stubs({
    systemctl: "",
    kubectl: KUBECTL,
    ssh: 'case "$2" in mktemp) echo /tmp/there ;; tar) cat >/dev/null ;; esac',
  });
  stubs.file(K3S, Deno.readTextFileSync(`${ROOT}${K3S}`));
  stubs.program("dist/weka-cpuset", "", "agent");
  stubs.file("dist/weka-cpuset-image.tar", "image");
  stubs.file("deploy/manifests/x", "");
  stubs.file(`${ETC}/config.toml`, "version = 2\n");
  return stubs;
}

const set = (stubs: Stubs, ...args: string[]) =>
  stubs.run(K3S, args, { RANCHER_ROOT: `${stubs.dir}/rancher` });

Deno.test(
  "k3s-setup turns NRI on once, in the template of the version that is in use, and keeps what is there",
  { ignore: !isRoot },
  () => {
    const table = /^\[plugins\."io\.containerd\.nri\.v1\.nri"\]\n {2}disable = false$/m;
    using stubs = k3s();
    assert.equal(set(stubs).code, 0);
    const made = stubs.read(`${ETC}/config.toml.tmpl`) ?? "";
    assert.match(made, /^\{\{ template "base" \. \}\}\n/);
    assert.match(made, table);
    assert.match(set(stubs).said, /^NRI is configured already$/m);
    assert.equal(stubs.read(`${ETC}/config.toml.tmpl`), made);

    using third = k3s();
    third.file(`${ETC}/config.toml`, "version = 3\n");
    third.file(`${ETC}/config-v3.toml.tmpl`, '{{ template "base" . }}\n[proxy_plugins]\n');
    const { code, calls } = set(third, "--restart");
    assert.deepEqual([code, calls], [0, ["agent install-host-plugin", "systemctl restart k3s-agent"]]);
    const kept = third.read(`${ETC}/config-v3.toml.tmpl`) ?? "";
    assert(kept.startsWith('{{ template "base" . }}\n[proxy_plugins]\n'));
    assert.match(kept, table);
    assert.equal(
      third.read(`${ETC}/config-v3.toml.tmpl.before-weka-cpuset`),
      '{{ template "base" . }}\n[proxy_plugins]\n',
    );
    assert.equal(third.read(`${ETC}/config.toml.tmpl`), undefined);
  },
);

Deno.test(
  "k3s-setup --mode daemonset has k3s import the image, and installs by its server, with what k3s has elsewhere",
  { ignore: !isRoot },
  () => {
    using stubs = k3s();
    Deno.mkdirSync(`${stubs.dir}/rancher/k3s/server`);
    const { code, calls, said } = set(stubs, "--mode", "daemonset");
    assert.equal(code, 0, said);
    assert.equal(stubs.read("rancher/k3s/agent/images/weka-cpuset-image.tar"), "image");
    assert.deepEqual(calls, ["kubectl apply --kustomize /deploy/overlays/k3s"]);
    assert.match(said, /now run: systemctl restart k3s$/m);
  },
);

Deno.test(
  "k3s-setup --dry-run changes nothing; NRI that is off is left to a person",
  { ignore: !isRoot },
  () => {
    using stubs = k3s();
    const dry = set(stubs, "--dry-run");
    assert.deepEqual([dry.code, dry.calls], [0, []]);
    assert.deepEqual([...Deno.readDirSync(`${stubs.dir}/${ETC}`)].map(({ name }) => name), ["config.toml"]);
    stubs.file(`${ETC}/config.toml`, '[plugins."io.containerd.nri.v1.nri"]\n  disable = true\n[other]\n');
    const off = set(stubs);
    assert.deepEqual([off.code, off.calls], [64, []]);
    assert.match(off.said, /NRI is switched off in .*; set disable = false there by hand/);
  },
);

Deno.test("k3s-setup goes from host to host, or to one of them", () => {
  using stubs = k3s();
  const all = set(stubs, "a", "b");
  assert.equal(all.code, 0, all.said);
  assert.deepEqual(all.said.match(/^== .*$/gm), ["== a", "== b"]);
  assert.match(
    all.calls.join("\n"),
    /ssh a mktemp[^]*ssh a tar[^]*ssh a status=0; '\/tmp\/there\/hack\/k3s-setup\.sh' --mode plugin/,
  );
  assert.deepEqual(set(stubs, "--single-node", "2", "a", "b").said.match(/^== .*$/gm), ["== b"]);
});

const BAD: readonly [script: string, args: string[], sentence: RegExp][] = [
  [BUILD, ["--registry"], /^build-and-deploy: --registry needs a value\.$/m],
  [BUILD, ["--regsitry", "x"], /--regsitry is no option; --help lists them/],
  [BUILD, ["--overlay", "nowhere"], /deploy\/nowhere is no overlay/],
  [BUILD, ["--kubeconfig", "/nowhere"], /the kubeconfig \/nowhere can't be read/],
  [UNINSTALL, [], /nothing was said to be removed; --cluster, --node or both/],
  [UNINSTALL, ["everything"], /everything is no option/],
  [K3S, ["--mode", "chart"], /--mode is chart; it may be plugin or daemonset/],
  [K3S, ["--single-node", "3", "a", "b"], /--single-node is 3, and there are 2 hosts; it counts from 1/],
  [K3S, ["--single-node", "0", "a"], /--single-node is 0/],
];

for (const [script, args, sentence] of BAD) {
  Deno.test(`${script} ${args.join(" ")}: one sentence, and nothing is done`, () => {
    using stubs = script === K3S ? k3s() : new Stubs({ kubectl: KUBECTL, make: "", systemctl: "" });
    const { code, said, calls } = stubs.run(script, args);
    assert.deepEqual([code, calls], [64, []]);
    assert.match(said, sentence);
  });
}

Deno.test("each script prints its own head as help, and kills nothing by name", () => {
  using stubs = new Stubs({});
  for (const script of [BUILD, UNINSTALL, K3S]) {
    const { code, said } = stubs.run(script, ["--help"]);
    assert.equal(code, 0);
    assert.match(said, new RegExp(`^${script.replace("hack/", "").replace(".", "\\.")} `));
    assert.match(said, /--dry-run/);
    const text = Deno.readTextFileSync(`${ROOT}${script}`);
    assert.doesNotMatch(text, /\b(p?kill|killall)\b|rm -rf/);
  }
});
