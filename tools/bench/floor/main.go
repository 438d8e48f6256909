// The least that a plugin written with NRI's own Go library takes for what the agent does: it knows which containers are
// shared, gives whoever claims CPUs some, and names every shared container in that answer. There is no policy, no check and
// no kernel: it is there to be measured, not to be used.
package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/containerd/nri/pkg/api"
	"github.com/containerd/nri/pkg/stub"
)

// pools are the two CPU lists that shared containers have in turn.
var pools = [...]string{"4-63", "2-63"}

type floor struct {
	mutex sync.Mutex
	// claims says of each container whether it has CPUs of its own.
	claims map[string]bool
	turn   int
}

func (f *floor) Synchronize(_ context.Context, pods []*api.PodSandbox, containers []*api.Container) ([]*api.ContainerUpdate, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	pinned := map[string]bool{}
	for _, pod := range pods {
		pinned[pod.GetId()] = isPinned(pod)
	}
	for _, container := range containers {
		f.claims[container.GetId()] = pinned[container.GetPodSandboxId()] || hasQuota(container)
	}
	return nil, nil
}

func (f *floor) CreateContainer(_ context.Context, pod *api.PodSandbox, container *api.Container) (*api.ContainerAdjustment, []*api.ContainerUpdate, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	claims := isPinned(pod) || hasQuota(container)
	f.claims[container.GetId()] = claims
	adjust := &api.ContainerAdjustment{}
	if !claims {
		adjust.SetLinuxCPUSetCPUs(pools[f.turn])
		return adjust, nil, nil
	}
	adjust.SetLinuxCPUSetCPUs("0-1")
	return adjust, f.everybody(), nil
}

func (f *floor) UpdateContainer(_ context.Context, _ *api.PodSandbox, container *api.Container, resources *api.LinuxResources) ([]*api.ContainerUpdate, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	if !f.claims[container.GetId()] || resources.GetCpu().GetQuota() == nil {
		return nil, nil
	}
	return f.everybody(), nil
}

func (f *floor) StopContainer(_ context.Context, _ *api.PodSandbox, container *api.Container) ([]*api.ContainerUpdate, error) {
	f.mutex.Lock()
	defer f.mutex.Unlock()
	claimed := f.claims[container.GetId()]
	delete(f.claims, container.GetId())
	if !claimed {
		return nil, nil
	}
	return f.everybody(), nil
}

func (f *floor) StartContainer(context.Context, *api.PodSandbox, *api.Container) error { return nil }

func (f *floor) StopPodSandbox(context.Context, *api.PodSandbox) error { return nil }

// everybody who is shared gets the other list.
func (f *floor) everybody() []*api.ContainerUpdate {
	f.turn = 1 - f.turn
	var updates []*api.ContainerUpdate
	for id, claims := range f.claims {
		if claims {
			continue
		}
		update := &api.ContainerUpdate{ContainerId: id}
		update.SetLinuxCPUSetCPUs(pools[f.turn])
		updates = append(updates, update)
	}
	return updates
}

func isPinned(pod *api.PodSandbox) bool { return pod.GetAnnotations()["weka.io/cores-ids"] != "" }

func hasQuota(container *api.Container) bool {
	return container.GetLinux().GetResources().GetCpu().GetQuota() != nil
}

func main() {
	plugin, err := stub.New(&floor{claims: map[string]bool{}})
	if err == nil {
		err = plugin.Run(context.Background())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
