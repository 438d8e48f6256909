// runc-map stands in for runc on a node that claims CPUs and memory nodes which the machine doesn't have. containerd
// finds it by BinaryName in runc's options. Beside it lies map.json: the real runc, what the node claims, and where the
// made-up tree of cpusets is.
//
// What a container is given is kept in that tree, laid out as cgroup v1's: PATH/cpuset.cpus, PATH/cpuset.mems and
// PATH/cgroup.procs, which stays empty, as to whoever isn't in the host's pid namespace; the pids hierarchy beside it is the kernel's. An agent reads and writes there what it would in the kernel's. The real runc gets the CPUs and
// memory nodes that exist: CPU n is n modulo their number. CPUs that the node doesn't claim are handed on as they are,
// and fail as they would on such a machine.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

type object = map[string]any

type configuration struct {
	Runc, Cpus, Mems, Cgroup string
	// CPUs of the machine.
	Real int
}

// call is one command line of runc, as containerd's shim writes it.
type call struct {
	operation, id, bundle, resources string
	// Where the value of --resources is among the arguments; -1 if there is none.
	resourcesAt int
}

// Where runc notes, in JSON, why it failed: the shim shows the last error there.
var logFile string

func main() {
	conf, err := load[configuration](filepath.Dir(os.Args[0]) + "/map.json")
	if err != nil {
		fail(err)
	}
	args := os.Args[1:]
	c := parse(args)
	switch c.operation {
	case "create":
		fail(create(conf, c, args))
	case "update":
		fail(update(conf, c, args))
	case "delete":
		err := runc(conf, args, "")
		if err == nil {
			forget(conf, c.id)
		}
		fail(err)
	default:
		fail(syscall.Exec(conf.Runc, append([]string{conf.Runc}, args...), os.Environ()))
	}
}

func create(conf configuration, c call, args []string) error {
	file := c.bundle + "/config.json"
	spec, err := load[object](file)
	if err != nil {
		return err
	}
	cpu := below(spec, "linux", "resources", "cpu")
	cpus, mems := text(cpu, "cpus"), text(cpu, "mems")
	path := text(below(spec, "linux"), "cgroupsPath")
	if mapped(cpu, conf) {
		if err := save(file, spec); err != nil {
			return err
		}
	}
	if err := runc(conf, args, ""); err != nil {
		return err
	}
	if err := remember(conf, c.id, path, cpus, mems); err != nil {
		// As runc does when the kernel refuses: nothing is left of the container.
		exec.Command(conf.Runc, append(globalOptions(args), "delete", "--force", c.id)...).Run()
		forget(conf, c.id)
		return err
	}
	return nil
}

func update(conf configuration, c call, args []string) error {
	file := c.resources
	if file == "-" {
		file = "/dev/stdin"
	}
	resources, err := load[object](file)
	if err != nil {
		return err
	}
	cpu := below(resources, "cpu")
	cpus, mems := text(cpu, "cpus"), text(cpu, "mems")
	mapped(cpu, conf)
	input, _ := json.Marshal(resources)
	if key, _, isOne := strings.Cut(args[c.resourcesAt], "="); isOne {
		args[c.resourcesAt] = key + "=-"
	} else {
		args[c.resourcesAt] = "-"
	}
	if err := runc(conf, args, string(input)); err != nil {
		return err
	}
	link, err := os.Readlink(conf.Cgroup + "/../places/" + c.id)
	if err != nil {
		return err
	}
	return set(link, cpus, mems)
}

// The place of a container is a link by its id, since an update and a deletion name no cgroup.
func remember(conf configuration, id, path, cpus, mems string) error {
	directory := conf.Cgroup
	for _, name := range strings.Split(strings.Trim(path, "/"), "/") {
		directory += "/" + name
		if err := makeCgroup(conf, directory); err != nil {
			return err
		}
	}
	if err := set(directory, cpus, mems); err != nil {
		return err
	}
	if err := charge(conf, directory); err != nil {
		return err
	}
	places := conf.Cgroup + "/../places"
	if err := os.MkdirAll(places, 0o755); err != nil {
		return err
	}
	os.Remove(places + "/" + id)
	return os.Symlink(directory, places+"/"+id)
}

// How much memory a container uses is a figure that a test may change: the agent migrates no more than it says. Beside the
// cpusets, as in cgroup v1.
func charge(conf configuration, directory string) error {
	own := conf.Cgroup + "/../memory" + strings.TrimPrefix(directory, conf.Cgroup)
	if err := os.MkdirAll(own, 0o755); err != nil {
		return err
	}
	return os.WriteFile(own+"/memory.usage_in_bytes", []byte("16777216\n"), 0o644)
}

// makeCgroup makes a cgroup with the sets of the one above it, as runc does, unless it is there; complete before it can
// be seen.
func makeCgroup(conf configuration, directory string) error {
	if _, err := os.Stat(directory); err == nil {
		return nil
	}
	temporary, err := os.MkdirTemp(conf.Cgroup+"/..", "new-")
	if err != nil {
		return err
	}
	os.Chmod(temporary, 0o755)
	for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
		value, err := os.ReadFile(filepath.Dir(directory) + "/" + file)
		if err == nil {
			err = os.WriteFile(temporary+"/"+file, value, 0o644)
		}
		if err != nil {
			return err
		}
	}
	if err := os.WriteFile(temporary+"/cgroup.procs", nil, 0o644); err != nil {
		return err
	}
	if err := os.Rename(temporary, directory); err != nil {
		os.RemoveAll(temporary) // another container of the pod was faster
		if _, err := os.Stat(directory); err != nil {
			return err
		}
	}
	return nil
}

// set writes what is given, by the kernel's rule: a set lies within that of the cgroup above.
func set(directory, cpus, mems string) error {
	for file, value := range map[string]string{"cpuset.cpus": cpus, "cpuset.mems": mems} {
		if value == "" {
			continue // as with runc: left as it is
		}
		above, err := os.ReadFile(filepath.Dir(directory) + "/" + file)
		if err != nil {
			return err
		}
		if _, isWithin := fold(value, string(above), 1); !isWithin {
			return fmt.Errorf("write %s/%s: permission denied: %s isn't within %s", directory, file, value, strings.TrimSpace(string(above)))
		}
		if err := overwrite(directory+"/"+file, value); err != nil {
			return err
		}
	}
	return nil
}

// In place, since an agent keeps these files open; and so that whoever reads meanwhile finds a list: the old one, or the
// new one with white space after it.
func overwrite(file, value string) error {
	opened, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer opened.Close()
	status, err := opened.Stat()
	if err != nil {
		return err
	}
	text := value + "\n"
	if _, err := fmt.Fprintf(opened, "%-*s", int(status.Size()), text); err != nil {
		return err
	}
	return opened.Truncate(int64(len(text)))
}

// The pod's cgroup goes with the last one in it, a class's and those above stay.
func forget(conf configuration, id string) {
	link := conf.Cgroup + "/../places/" + id
	directory, err := os.Readlink(link)
	if err != nil {
		return // the shim deletes twice
	}
	os.RemoveAll(directory)
	os.Remove(link)
	memory := conf.Cgroup + "/../memory" + strings.TrimPrefix(directory, conf.Cgroup)
	os.RemoveAll(memory)
	os.Remove(filepath.Dir(memory)) // the pod's, where that was the last one
	pod := filepath.Dir(directory)
	left, _ := filepath.Glob(pod + "/*/")
	if strings.Contains(filepath.Base(pod), "pod") && !strings.HasSuffix(pod, "kubepods") && len(left) == 0 {
		os.RemoveAll(pod)
	}
}

func parse(args []string) call {
	c := call{resourcesAt: -1, id: args[len(args)-1]}
	for at := 0; at < len(args); at++ {
		key, value, isOne := strings.Cut(args[at], "=")
		valueAt := at
		if !isOne && at+1 < len(args) {
			value, valueAt = args[at+1], at+1
		}
		switch key {
		case "--log":
			logFile, at = value, valueAt
		case "--root", "--log-format", "--criu", "--console-socket", "--pid-file":
			at = valueAt
		case "--bundle", "-b":
			c.bundle, at = value, valueAt
		case "--resources", "-r":
			c.resources, c.resourcesAt, at = value, valueAt, valueAt
		default:
			if c.operation == "" && !strings.HasPrefix(key, "-") {
				c.operation = key
			}
		}
	}
	return c
}

// globalOptions are those before the operation, without the log: the shim shows what it finds there.
func globalOptions(args []string) []string {
	for at, word := range args {
		if word == "--root" && at+1 < len(args) {
			return args[at : at+2]
		}
	}
	return nil
}

// mapped replaces what the node claims by what there is; whether it did.
func mapped(cpu object, conf configuration) bool {
	cpus, areCpus := fold(text(cpu, "cpus"), conf.Cpus, conf.Real)
	mems, areMems := fold(text(cpu, "mems"), conf.Mems, 1)
	if !areCpus || !areMems {
		return false
	}
	for key, value := range map[string]string{"cpus": cpus, "mems": mems} {
		if value != "" {
			cpu[key] = value
		}
	}
	return true
}

// fold maps each number onto those below real; false: the list is none, or the node doesn't claim all of it.
func fold(list, claimed string, real int) (string, bool) {
	all, _ := numbers(claimed)
	wanted, ok := numbers(list)
	folded := map[int]bool{}
	for number := range wanted {
		ok = ok && all[number]
		folded[number%real] = true
	}
	words := []string{}
	for number := range folded {
		words = append(words, strconv.Itoa(number))
	}
	sort.Strings(words)
	return strings.Join(words, ","), ok
}

func numbers(list string) (map[int]bool, bool) {
	found := map[int]bool{}
	for _, item := range strings.Split(strings.TrimSpace(list), ",") {
		if item == "" {
			continue
		}
		first, last, isRange := strings.Cut(item, "-")
		if !isRange {
			last = first
		}
		from, err := strconv.Atoi(first)
		to, err2 := strconv.Atoi(last)
		if err != nil || err2 != nil || to < from {
			return found, false
		}
		for ; from <= to; from++ {
			found[from] = true
		}
	}
	return found, true
}

// runc runs with this process' own streams: the container gets them.
func runc(conf configuration, args []string, input string) error {
	command := exec.Command(conf.Runc, args...)
	command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
	if input != "" {
		command.Stdin = strings.NewReader(input)
	}
	return command.Run()
}

// fail ends the program, with runc's own status where it has one.
func fail(err error) {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "runc-map:", err)
		note("runc-map: " + err.Error())
		os.Exit(1)
	}
	os.Exit(0)
}

func note(message string) {
	opened, err := os.OpenFile(logFile, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return // standard error has it
	}
	defer opened.Close()
	json.NewEncoder(opened).Encode(object{"level": "error", "msg": message})
}

func load[T any](file string) (found T, err error) {
	opened, err := os.Open(file)
	if err != nil {
		return found, err
	}
	defer opened.Close()
	decoder := json.NewDecoder(opened)
	decoder.UseNumber() // a quota or a limit stays as it was written
	return found, decoder.Decode(&found)
}

func save(file string, value object) error {
	bytes, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return os.WriteFile(file, bytes, 0o644)
}

func below(from object, keys ...string) object {
	for _, key := range keys {
		from, _ = from[key].(object)
	}
	return from
}

func text(from object, key string) string {
	found, _ := from[key].(string)
	return found
}
